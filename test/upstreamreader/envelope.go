package upstreamreader

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
)

// uncover is the data key that wrapped hides.
func (s *Store) uncover(wrapped []int) []byte {
	key := toBytes(wrapped)
	for i := range key {
		key[i] ^= s.master[i%len(s.master)]
	}
	return key
}

func open(r *record, dataKey []byte) ([]byte, error) {
	if r.Envelope.Algorithm != "aes256gcm" {
		return nil, fmt.Errorf("algorithm %q is not built in", r.Envelope.Algorithm)
	}
	// RFC 5869 for one block of output: extract, then expand.
	extracted := mac(toBytes(r.Envelope.Salt), dataKey)
	contentKey := mac(extracted, append([]byte(r.Meta.URI), 1))
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := toBytes(r.Envelope.Nonce)
	if len(nonce) != gcm.NonceSize() {
		return nil, fmt.Errorf("a nonce of %d bytes", len(nonce))
	}
	plain, err := gcm.Open(nil, nonce, toBytes(r.Value), nil)
	if err != nil {
		return nil, errors.New("mac mismatch")
	}
	return plain, nil
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

// toBytes is a list of numbers, each checked to be a byte, as bytes.
func toBytes(numbers []int) []byte {
	b := make([]byte, len(numbers))
	for i, number := range numbers {
		b[i] = byte(number)
	}
	return b
}
