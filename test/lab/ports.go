package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that the kernel gives to outgoing connections (32768 and up on Linux as it comes): a server that is stopped
// and started again finds its port free, and a client that tries meanwhile cannot be given that very port and meet itself.
const lowestPort, highestPort = 12000, 32000

// freePorts finds n different free ports on the loopback address.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			if tries > 1000 {
				return nil, fmt.Errorf("finding a free port on 127.0.0.1: %w", err)
			}
			continue
		}
		defer listener.Close() // at the end, so that no port is found twice
		ports = append(ports, port)
	}
	return ports, nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
