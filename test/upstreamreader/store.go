package upstreamreader

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
)

// ErrNotFound is a secret that the store does not hold.
var ErrNotFound = errors.New("secret not found")

// Store is a loaded dev-store: later changes of the file do not show. Only Open makes one. It is not for concurrent use.
type Store struct {
	secrets  map[string][]version
	master   [sha256.Size]byte
	dataKeys map[string][]byte // by place: env/tenant/team/category
}

type state struct {
	Secrets []struct {
		Key      string    `json:"key"`
		Versions []version `json:"versions"`
	} `json:"secrets"`
}

type version struct {
	Version *uint64 `json:"version"`
	Deleted *bool   `json:"deleted"`
	Record  *record `json:"record"`
}

type record struct {
	Meta struct {
		URI         string `json:"uri"`
		Visibility  string `json:"visibility"`
		ContentType string `json:"contentType"`
	} `json:"meta"`
	Value    []int `json:"value"`
	Envelope struct {
		Algorithm string `json:"algorithm"`
		Nonce     []int  `json:"nonce"`
		Salt      []int  `json:"hkdf_salt"`
		Wrapped   []int  `json:"wrapped_dek"`
	} `json:"envelope"`
}

// Open loads the dev-store at path, creating an empty one where there is none. masterKey is GREENTIC_DEV_MASTER_KEY's value.
func Open(path, masterKey string) (*Store, error) {
	if _, err := os.Stat(path + ".encrypted-marker"); err == nil {
		return nil, errors.New("the store was encrypted before, a plain one is refused")
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written to it
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	contents, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_UN); err != nil {
		return nil, err
	}
	secrets, err := parse(contents)
	if err != nil {
		return nil, err
	}
	return &Store{secrets: secrets, master: sha256.Sum256([]byte(masterKey)), dataKeys: map[string][]byte{}}, nil
}

func parse(contents []byte) (map[string][]version, error) {
	secrets := map[string][]version{}
	lines := bufio.NewScanner(bytes.NewReader(contents))
	lines.Buffer(nil, len(contents)+1)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "# greentic-encrypted:") {
			return nil, errors.New("the store is encrypted and no passphrase is known")
		}
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || strings.TrimSpace(name) != "SECRETS_BACKEND_STATE" {
			continue
		}
		decoded, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimSpace(value))
		if err != nil {
			return nil, err
		}
		var s state
		if err := json.Unmarshal(decoded, &s); err != nil {
			return nil, err
		}
		for _, secret := range s.Secrets {
			for i, v := range secret.Versions {
				if err := v.check(); err != nil {
					return nil, fmt.Errorf("%q: versions[%d]: %w", secret.Key, i, err)
				}
			}
			secrets[secret.Key] = secret.Versions
		}
		return secrets, nil
	}
	return secrets, lines.Err()
}

// check refuses what Greentic's decoder would: an absent field, an unknown word, a URI that is none.
func (v version) check() error {
	switch {
	case v.Version == nil:
		return errors.New("no version")
	case v.Deleted == nil:
		return errors.New("no deleted")
	case v.Record == nil:
		return nil
	case !slices.Contains([]string{"user", "team", "tenant"}, v.Record.Meta.Visibility):
		return fmt.Errorf("unknown visibility %q", v.Record.Meta.Visibility)
	case !slices.Contains([]string{"opaque", "json", "text", "binary"}, v.Record.Meta.ContentType):
		return fmt.Errorf("unknown contentType %q", v.Record.Meta.ContentType)
	}
	if _, err := placeOf(v.Record.Meta.URI); err != nil {
		return err
	}
	for name, list := range map[string][]int{
		"value": v.Record.Value, "nonce": v.Record.Envelope.Nonce, "hkdf_salt": v.Record.Envelope.Salt, "wrapped_dek": v.Record.Envelope.Wrapped,
	} {
		if list == nil {
			return fmt.Errorf("no %s", name)
		}
		for _, number := range list {
			if number < 0 || number > 255 {
				return fmt.Errorf("%s: %d is no byte", name, number)
			}
		}
	}
	return nil
}

// URIs are the keys of every secret that is not deleted, sorted.
func (s *Store) URIs() []string {
	var uris []string
	for uri := range s.secrets {
		if s.newest(uri) != nil {
			uris = append(uris, uri)
		}
	}
	slices.Sort(uris)
	return uris
}

func (s *Store) newest(uri string) *record {
	versions := s.secrets[uri]
	if len(versions) == 0 || *versions[len(versions)-1].Deleted {
		return nil
	}
	return versions[len(versions)-1].Record
}

// Get is the newest value of the secret that uri ("secrets://…", exactly as the store's key) names.
func (s *Store) Get(uri string) ([]byte, error) {
	r := s.newest(uri)
	if r == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, uri)
	}
	place, err := placeOf(r.Meta.URI)
	if err != nil {
		return nil, err
	}
	if _, remembered := s.dataKeys[place]; !remembered {
		s.dataKeys[place] = s.uncover(r.Envelope.Wrapped)
	}
	return open(r, s.dataKeys[place])
}

// placeOf is what a URI's data key is remembered by: the URI without its last segment.
func placeOf(uri string) (string, error) {
	rest, ok := strings.CutPrefix(uri, "secrets://")
	segments := strings.Split(rest, "/")
	if !ok || len(segments) != 5 {
		return "", fmt.Errorf("%q is no secrets URI", uri)
	}
	name, version, pinned := strings.Cut(segments[4], "@")
	checked := append(slices.Clone(segments[:4]), name)
	if pinned {
		checked = append(checked, version)
	}
	for _, segment := range checked {
		if segment == "" || strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return "", fmt.Errorf("%q is no secrets URI", uri)
		}
	}
	return strings.Join(segments[:4], "/"), nil
}
