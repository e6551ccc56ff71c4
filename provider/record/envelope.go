package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Lengths in bytes.
const (
	keyLength    = 32
	saltLength   = 32
	nonceLength  = 12
	paddedLength = 24 // a nonce of the algorithm "xchacha", 12 bytes of which count
)

// algorithm is how a value was encrypted.
type algorithm string

const (
	aes256GCM algorithm = "aes256gcm"
	xchacha   algorithm = "xchacha"
)

// parseAlgorithm knows the spellings that Greentic's own reader knows.
func parseAlgorithm(text string) (algorithm, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "aes256gcm", "aes-256-gcm":
		return aes256GCM, nil
	case "xchacha", "xchacha20", "xchacha20poly1305":
		return xchacha, nil
	}
	return "", fmt.Errorf("%w: envelope.algorithm %.40q is unknown", ErrCorrupt, text)
}

// envelope is an encrypted value and what its key is made from, but for the data key.
type envelope struct {
	info       string // the text of the record's own URI
	algorithm  algorithm
	nonce      []byte
	salt       []byte
	ciphertext []byte
}

// part is a field of bytes and where it goes.
type part struct {
	in   exactjson.Object
	name string
	into *[]byte
}

// parts is where the bytes of e stand in a stored record, in Vault and in a dev-store alike.
func (e *envelope) parts(sealed, whole exactjson.Object, wrappedKey *[]byte) []part {
	return []part{
		{sealed, "nonce", &e.nonce}, {sealed, "hkdf_salt", &e.salt}, {sealed, "wrapped_dek", wrappedKey}, {whole, "value", &e.ciphertext},
	}
}

// check refuses lengths that Greentic never writes.
func (e envelope) check() error {
	want := nonceLength
	if e.algorithm == xchacha {
		want = paddedLength
	}
	switch {
	case len(e.nonce) != want:
		return fmt.Errorf("%w: envelope.nonce has %d bytes where %s has %d", ErrCorrupt, len(e.nonce), e.algorithm, want)
	case len(e.salt) != saltLength:
		return fmt.Errorf("%w: envelope.hkdf_salt has %d bytes, not %d", ErrCorrupt, len(e.salt), saltLength)
	}
	return nil
}

func (e envelope) open(dataKey secret.Value) (secret.Value, error) {
	if dataKey.Len() != keyLength {
		return secret.Value{}, fmt.Errorf("%w: its data key has %d bytes, not %d", ErrCorrupt, dataKey.Len(), keyLength)
	}
	aead, err := contentCipher(dataKey, e.salt, e.info)
	if err != nil {
		return secret.Value{}, err
	}
	plain, err := aead.Open(nil, e.nonce[:nonceLength], e.ciphertext, nil)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%w: its data key does not fit it; one of the two was changed, so write the secret again", ErrCorrupt)
	}
	return secret.New(plain), nil
}

func seal(info string, value, dataKey secret.Value) (envelope, error) {
	if value.Len() > MaxValue {
		return envelope{}, fmt.Errorf("%w: the value has %d bytes, more than %d", ErrInvalid, value.Len(), MaxValue)
	}
	if dataKey.Len() != keyLength {
		return envelope{}, fmt.Errorf("%w: the data key has %d bytes, not %d", ErrInvalid, dataKey.Len(), keyLength)
	}
	salt, nonce := random(saltLength), random(nonceLength)
	aead, err := contentCipher(dataKey, salt, info)
	if err != nil {
		return envelope{}, err
	}
	return envelope{
		info: info, algorithm: aes256GCM, nonce: nonce, salt: salt, ciphertext: aead.Seal(nil, nonce, value.Reveal(), nil),
	}, nil
}

func contentCipher(dataKey secret.Value, salt []byte, info string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, dataKey.Reveal(), salt, info, keyLength)
	if err != nil {
		return nil, fmt.Errorf("deriving the content key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the content cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making the content cipher: %w", err)
	}
	return aead, nil
}

// NewDataKey makes a data key. Each record has its own, so that one that is found out opens one secret.
func NewDataKey() secret.Value { return secret.New(random(keyLength)) }

func random(length int) []byte {
	b := make([]byte, length)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program where there is no randomness
	return b
}
