// Package floor is what a mount costs at the least: the same requests to Vault in the same order as a mount's, by
// net/http over one pool of connections, and nothing else. It checks only that Vault answered 200 and reads only what the
// next request needs.
package floor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Vault is where the requests go: Greentic's default places.
type Vault struct {
	Address string // such as "http://127.0.0.1:8200"
	Client  *http.Client
}

// NewClient is a client whose pool keeps the connections of as many pods as there may be at once.
func NewClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}}
}

// The places.
const (
	loginPath   = "/v1/auth/kubernetes/login"
	dataPath    = "/v1/secret/data/"
	decryptPath = "/v1/transit/decrypt/greentic"
)

// Pod is one pod's mount.
type Pod struct {
	Role  string
	JWT   string
	Paths []string // of its secrets, below the KV mount
}

// Plain logs in and reads the pod's secrets in parallel. What they hold is not looked at.
func (v Vault) Plain(ctx context.Context, pod Pod) error {
	_, _, err := v.read(ctx, pod)
	return err
}

// Records does the same, and then unwraps the data keys of all records in one request.
func (v Vault) Records(ctx context.Context, pod Pod) error {
	token, answers, err := v.read(ctx, pod)
	if err != nil {
		return err
	}
	type item struct {
		Ciphertext string `json:"ciphertext"`
	}
	batch := make([]item, len(answers))
	for i, answer := range answers {
		if batch[i].Ciphertext, err = wrappedKey(answer); err != nil {
			return fmt.Errorf("reading the record at %q: %w", pod.Paths[i], err)
		}
	}
	body, err := json.Marshal(map[string][]item{"batch_input": batch})
	if err != nil {
		return err
	}
	if _, err := v.request(ctx, http.MethodPost, decryptPath, token, body); err != nil {
		return fmt.Errorf("unwrapping the data keys: %w", err)
	}
	return nil
}

// Login is a token for Refresh.
func (v Vault) Login(ctx context.Context, pod Pod) (token string, err error) {
	if token, err = v.login(ctx, pod); err != nil {
		return "", fmt.Errorf("logging in: %w", err)
	}
	return token, nil
}

// Refresh reads the pod's secrets in parallel with the token of an earlier login.
func (v Vault) Refresh(ctx context.Context, pod Pod, token string) error {
	_, err := v.readAll(ctx, pod, token)
	return err
}

func (v Vault) read(ctx context.Context, pod Pod) (token string, answers [][]byte, err error) {
	if token, err = v.Login(ctx, pod); err != nil {
		return "", nil, err
	}
	answers, err = v.readAll(ctx, pod, token)
	return token, answers, err
}

func (v Vault) readAll(ctx context.Context, pod Pod, token string) ([][]byte, error) {
	answers := make([][]byte, len(pod.Paths))
	reads, ctx := errgroup.WithContext(ctx)
	for i, path := range pod.Paths {
		reads.Go(func() (err error) {
			answers[i], err = v.request(ctx, http.MethodGet, dataPath+path, token, nil)
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return answers, nil
}

func (v Vault) login(ctx context.Context, pod Pod) (string, error) {
	body, err := json.Marshal(map[string]string{"role": pod.Role, "jwt": pod.JWT})
	if err != nil {
		return "", err
	}
	answer, err := v.request(ctx, http.MethodPost, loginPath, "", body)
	if err != nil {
		return "", err
	}
	var login struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if err := json.Unmarshal(answer, &login); err != nil || login.Auth.Token == "" {
		return "", fmt.Errorf("no token in the answer: %w", err)
	}
	return login.Auth.Token, nil
}

// wrappedKey is the encrypted data key in a read of a record.
func wrappedKey(answer []byte) (string, error) {
	var read struct {
		Data struct {
			Data struct {
				Record []byte `json:"record"`
			} `json:"data"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer, &read); err != nil {
		return "", err
	}
	var record struct {
		Envelope struct {
			WrappedKey string `json:"wrapped_dek"`
		} `json:"envelope"`
	}
	if err := json.Unmarshal(read.Data.Data.Record, &record); err != nil {
		return "", err
	}
	key, err := base64.StdEncoding.DecodeString(record.Envelope.WrappedKey)
	return string(key), err
}

func (v Vault) request(ctx context.Context, method, path, token string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, v.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("X-Vault-Token", token)
	}
	response, err := v.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %q: status %d", method, path, response.StatusCode)
	}
	return answer, nil
}
