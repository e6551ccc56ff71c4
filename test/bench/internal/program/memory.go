package program

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is a process's resident memory, in bytes.
type Memory struct {
	Now  int64 // VmRSS
	Peak int64 // VmHWM: the most there ever was
}

// Memory is the server's, as the kernel counts it (proc(5), /proc/pid/status).
func (p *Process) Memory() (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return Memory{}, fmt.Errorf("reading its memory: %w", err)
	}
	return parseStatus(status)
}

func parseStatus(status []byte) (Memory, error) {
	var m Memory
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var into *int64
		switch name {
		case "VmRSS":
			into = &m.Now
		case "VmHWM":
			into = &m.Peak
		default:
			continue
		}
		kibibytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			return Memory{}, fmt.Errorf("reading its memory: %s: %w", name, err)
		}
		*into = kibibytes << 10
	}
	if m.Now == 0 || m.Peak == 0 {
		return Memory{}, fmt.Errorf("reading its memory: no VmRSS or no VmHWM: it has ended")
	}
	return m, nil
}
