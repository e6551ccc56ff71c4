package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// reaperScript reads orders, one a line, until its standard input ends, and then clears up:
//
//   - N      the process group N is to be killed
//   - N      it has ended (its number may be another's by now)
//     ns L     every process whose mount namespace is L (as /proc/N/ns/mnt links to it) is to be killed, whatever its group
//     keep     the folder stays
//
// A killed process may still be writing when the folder is removed, hence the second and later tries.
const reaperScript = `
dir=$1 groups= namespaces= keep=
while read -r order value; do
  case $order in
  +) groups="$groups $value" ;;
  -) left=
     for g in $groups; do [ "$g" = "$value" ] || left="$left $g"; done
     groups=$left ;;
  ns) namespaces="$namespaces $value" ;;
  keep) keep=1 ;;
  esac
done
for g in $groups; do kill -s KILL -- "-$g"; done
for ns in $namespaces; do
  for p in /proc/[0-9]*; do
    [ "$(readlink "$p/ns/mnt")" = "$ns" ] && kill -s KILL "${p#/proc/}"
  done
done
[ -n "$keep" ] && exit 0
tries=0
while ! rm -rf -- "$dir" && [ $tries -lt 100 ]; do tries=$((tries+1)); sleep 0.1; done
`

// reaper is the shell that outlives this process for the moment that clearing up takes.
type reaper struct {
	mu   sync.Mutex
	pipe io.WriteCloser
	cmd  *exec.Cmd
}

func startReaper(dir string) (*reaper, error) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return nil, fmt.Errorf("finding a shell for the lab's reaper: %w", err)
	}
	cmd := exec.Command(shell, "-c", reaperScript, "gtc-lab-reaper", dir)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	// A session of its own: a Ctrl-C in the terminal must not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making the reaper's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the lab's reaper: %w", err)
	}
	return &reaper{pipe: pipe, cmd: cmd}, nil
}

func (r *reaper) order(words ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := io.WriteString(r.pipe, strings.Join(words, " ")+"\n"); err != nil {
		return fmt.Errorf("writing to the lab's reaper: %w", err)
	}
	return nil
}

// finish ends the reaper's input and waits until it has cleared up.
func (r *reaper) finish() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.pipe.Close(); err != nil {
		return fmt.Errorf("closing the reaper's pipe: %w", err)
	}
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("waiting for the lab's reaper: %w", err)
	}
	return nil
}
