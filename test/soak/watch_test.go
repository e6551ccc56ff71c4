package soak_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// look is how often a reader looks at its volume.
const look = 50 * time.Millisecond

// pod is a pod with one volume, and what its reader has seen there.
type pod struct {
	soak     *soak
	name     string
	volume   *lab.Volume
	objects  []*rotating
	stranger bool // it is to be refused
	watching func(context.Context)

	mu      sync.Mutex // guards what follows
	started bool       // the volume was published, so that the pod's containers run; a driver whose first publish fails takes away what was there
	there   bool       // all files have been seen since; from then on none may be missing
	shown   []int      // the number of each file's value
}

func (p *pod) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = true
}

// watch reads the volume again and again until ctx ends: once the pod has started and the files are there, each is at any moment a whole value of its secret, and
// never an older one than was seen before.
func (p *pod) watch(ctx context.Context) {
	for wait(ctx, look) == nil {
		numbers, err := p.read()
		if err != nil {
			p.mu.Lock()
			there := p.there
			p.mu.Unlock()
			if there || !errors.Is(err, fs.ErrNotExist) {
				p.soak.fail("%s: %v", p.name, err)
				return
			}
			continue
		}
		p.saw(numbers)
		p.soak.count("look")
	}
}

// read is the number of each file's value.
func (p *pod) read() ([]int, error) {
	numbers := make([]int, len(p.objects))
	for i, o := range p.objects {
		content, err := p.readFile(o.ref.Path())
		if err != nil {
			return nil, err
		}
		if numbers[i], err = o.which(content); err != nil {
			return nil, fmt.Errorf("file %s: %w", o.ref.Path(), err)
		}
	}
	return numbers, nil
}

// readFile tries again where the driver has just turned over the link that the path goes through.
func (p *pod) readFile(path string) ([]byte, error) {
	for tries := 1; ; tries++ {
		content, err := p.volume.Read(path)
		if err == nil || tries == 5 {
			return content, err
		}
	}
}

func (p *pod) saw(numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, number := range numbers {
		if number < p.shown[i] {
			p.soak.fail("%s: %s went back from value %d to %d", p.name, p.objects[i].ref, p.shown[i], number)
		}
		if number > p.shown[i] && p.there {
			p.soak.count("rotation seen")
		}
		newest, since := p.objects[i].newest()
		if number < newest {
			p.soak.late(p, since)
		}
	}
	p.there, p.shown = p.started, numbers
}

// complete is nil once the volume has all its files.
func (p *pod) complete() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.there {
		return errors.New("the files are not there")
	}
	return nil
}

// current is nil once the volume shows the newest value of each secret.
func (p *pod) current() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.there {
		return errors.New("the files are not there")
	}
	for i, o := range p.objects {
		if newest, _ := o.newest(); p.shown[i] < newest {
			return fmt.Errorf("%s shows value %d of %s, and %d is the newest", p.name, p.shown[i], o.ref, newest)
		}
	}
	return nil
}
