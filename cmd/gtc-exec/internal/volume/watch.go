package volume

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// Watch looks at a volume again and again and tells of every change of what it promises.
//
// It polls: a look is one system call as long as the link "..data" names the same folder, the driver writes at most once a minute, and a
// user has 128 inotify instances for all pods of a node together unless the node's owner allows more.
type Watch struct {
	Folder   string        // where the volume is mounted
	Promises Promises      // what is read from it
	Every    time.Duration // between two looks
	// Changed gets each state that is complete and whose contents differ from those of the last one that it took. A state that it
	// refuses with an error is offered again at the next look. The snapshot is wiped when it returns.
	Changed func(Snapshot) error
	// Failed is told why a state was not read or not taken: once, not at each look that finds the same.
	Failed func(error)
}

// Run watches until ctx ends. last are the contents that are known already.
func (w Watch) Run(ctx context.Context, last Digest) {
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	var settled string // the generation whose contents are last
	var told string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Asked before the files are read: if it is swapped in between, the next look sees another one and reads again.
		generation, err := os.Readlink(filepath.Join(w.Folder, newest))
		if err == nil && generation == settled {
			continue
		}
		digest, err := w.look(last)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			settled, last, told = generation, digest, ""
		case err.Error() != told:
			told = err.Error()
			w.Failed(err)
		}
	}
}

// look reads the volume and hands on what differs from last. The digest is that of what was read.
func (w Watch) look(last Digest) (Digest, error) {
	snapshot, err := Read(w.Folder, w.Promises)
	if err != nil {
		return last, err
	}
	defer snapshot.Wipe()
	digest := snapshot.Digest()
	if digest == last {
		return last, nil
	}
	return digest, w.Changed(snapshot)
}
