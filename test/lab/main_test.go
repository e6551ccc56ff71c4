package lab_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// holdEnv makes this test program hold a lab until it is killed.
const holdEnv = "GTC_LAB_TEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holdEnv) != "" {
		hold()
	}
	code := lab.Main(m, lab.Options{Verbose: true})
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "after the lab's end:", err)
		code = 1
	}
	os.Exit(code)
}

// hold starts a lab and, on its node, a daemon that the lab knows nothing of; it prints the state folder and waits for its end.
func hold() {
	l, err := lab.Start(context.Background(), lab.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	daemon := l.Node().Command(context.Background(), "sh", "-c", "while true; do sleep 1; done", l.Dir())
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Dir())
	select {}
}
