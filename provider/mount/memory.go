package mount

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Marshal is a response as bytes that can be remembered. Nothing of it is in them by reference.
func Marshal(response *v1alpha1.MountResponse) (secret.Value, error) {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(response)
	if err != nil {
		return secret.Value{}, fmt.Errorf("encoding the response: %w", errMemory)
	}
	return secret.New(text), nil
}

// Unmarshal is the response that Marshal was given: the same files, modes and versions in the same order, in memory of their own.
func Unmarshal(remembered secret.Value) (*v1alpha1.MountResponse, error) {
	response := &v1alpha1.MountResponse{}
	if proto.Unmarshal(remembered.Reveal(), response) != nil {
		return nil, fmt.Errorf("decoding a remembered response: %w", errMemory)
	}
	return response, nil
}

// errMemory stands for the library's errors, which may quote what they were given.
var errMemory = errors.New("it is no response of the driver's API")
