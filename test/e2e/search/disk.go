package search

import (
	"archive/tar"
	"context"
	"errors"
	"io"

	"github.com/greenticai/gtc-csi-provider/test/canary"
)

// Node runs a command on a node and writes to out what it prints.
type Node interface {
	Pipe(ctx context.Context, out io.Writer, argv ...string) error
}

// disk archives what is on the node's disk and nothing else: its root and /var, which is a volume of its own, without what is mounted below them
// (memory, such as pods' secrets and tokens, and the kernel's own). Images as they were pulled are left out, they are packed. Status 1 is a file that
// changed or went while it was read, as logs do.
const disk = `tar --create --file=- --one-file-system --warning=no-file-changed --warning=no-file-removed --warning=no-file-ignored \
	--exclude=/var/lib/containerd/io.containerd.content.v1.content / /var || [ $? -eq 1 ]`

// Disk looks for set in every file on the node's disk: etcd's data, the pods' logs, the kubelet's folders, the containers' layers and all else.
func Disk(ctx context.Context, node Node, set canary.Set) (Result, error) {
	var r Result
	err := stream(ctx, node, func(archive io.Reader) error {
		files := tar.NewReader(archive)
		for {
			file, err := files.Next()
			switch {
			case errors.Is(err, io.EOF):
				_, err = io.Copy(io.Discard, archive) // the padding
				return err
			case err != nil:
				return err
			case file.Typeflag != tar.TypeReg:
				continue
			}
			r.Looked++
			needles, err := set.FindIn(files)
			if err != nil {
				return err
			}
			r.Places = append(r.Places, at("/"+file.Name, needles)...)
		}
	}, "sh", "-c", disk)
	return r, err
}

// Journal looks for set in the node's journal, whose files are packed.
func Journal(ctx context.Context, node Node, set canary.Set) (Result, error) {
	r := Result{Looked: 1}
	err := stream(ctx, node, func(entries io.Reader) error {
		needles, err := set.FindIn(entries)
		r.Places = at("the node's journal", needles)
		return err
	}, "journalctl", "--no-pager", "--all", "--output=export")
	return r, err
}

// stream reads what a command on the node prints while it prints it.
func stream(ctx context.Context, node Node, read func(io.Reader) error, argv ...string) error {
	reader, writer := io.Pipe()
	piped := make(chan error, 1)
	go func() {
		err := node.Pipe(ctx, writer, argv...)
		piped <- errors.Join(err, writer.CloseWithError(err)) // never an error of its own
	}()
	readErr := read(reader)
	_ = reader.CloseWithError(readErr) // ends the command where reading ended early
	pipeErr := <-piped
	if readErr != nil {
		return readErr
	}
	return pipeErr
}
