package mount

import (
	"errors"
	"fmt"
	"io/fs"

	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// MaxResponse is the longest response, in bytes on the wire: the driver's own limit of 4 MiB, over which it answers the kubelet with a
// code that leaves a pod with an empty volume, less some room for what surrounds it.
const MaxResponse = 4<<20 - 64<<10

// File is one file of the volume.
type File struct {
	Path     string // relative; package params has checked it
	Mode     fs.FileMode
	Contents secret.Value
	Version  string // changes when the contents do; it is kept in the API server, so nothing can be learnt from it
}

// Encode makes the driver's response, in the files' order. There is at least one file: an empty list would make the driver believe that
// somebody else writes them.
func Encode(files []File) (*v1alpha1.MountResponse, error) {
	if len(files) == 0 {
		return nil, errors.New("a response without files")
	}
	response := &v1alpha1.MountResponse{
		ObjectVersion: make([]*v1alpha1.ObjectVersion, len(files)),
		Files:         make([]*v1alpha1.File, len(files)),
	}
	for i, file := range files {
		response.ObjectVersion[i] = &v1alpha1.ObjectVersion{Id: file.Path, Version: file.Version}
		response.Files[i] = &v1alpha1.File{Path: file.Path, Mode: mode(file), Contents: file.Contents.Reveal()}
	}
	if size := proto.Size(response); size > MaxResponse {
		return nil, fmt.Errorf("%w: %d bytes in %d files, more than %d; split the class", ErrTooLarge, size, len(files), MaxResponse)
	}
	return response, nil
}

// mode is a file's mode as the driver's API has it: a decimal number of at most 0777.
func mode(f File) int32 {
	return int32(f.Mode.Perm()) //nolint:gosec // nine bits
}
