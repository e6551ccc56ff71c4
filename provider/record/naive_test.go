package record_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// This file is another implementation of the format, written from the description of Greentic's store alone and in the plainest way. The
// vectors under testdata are made by it. It shares no line with the package under test.

type naiveMeta struct {
	URI         string            `json:"uri"`
	Visibility  string            `json:"visibility"`
	ContentType string            `json:"contentType"`
	Description *string           `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

type naiveVaultRecord struct {
	Meta     naiveMeta `json:"meta"`
	Envelope struct {
		Algorithm  string `json:"algorithm"`
		Nonce      string `json:"nonce"`
		HKDFSalt   string `json:"hkdf_salt"`
		WrappedDEK string `json:"wrapped_dek"`
	} `json:"envelope"`
	Value string `json:"value"`
}

type naiveDevFile struct {
	Secrets []naiveDevSecret `json:"secrets"`
}

type naiveDevSecret struct {
	Key      string            `json:"key"`
	Versions []naiveDevVersion `json:"versions"`
}

type naiveDevVersion struct {
	Version int             `json:"version"`
	Deleted bool            `json:"deleted"`
	Record  *naiveDevRecord `json:"record"`
}

type naiveDevRecord struct {
	Meta     naiveMeta `json:"meta"`
	Value    []int     `json:"value"`
	Envelope struct {
		Algorithm  string `json:"algorithm"`
		Nonce      []int  `json:"nonce"`
		HKDFSalt   []int  `json:"hkdf_salt"`
		WrappedDEK []int  `json:"wrapped_dek"`
	} `json:"envelope"`
}

// naiveHKDF is RFC 5869 for one block: extract with the salt, expand with the info and a counter of one.
func naiveHKDF(key, salt []byte, info string) []byte {
	extract := hmac.New(sha256.New, salt)
	extract.Write(key)
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write([]byte(info))
	expand.Write([]byte{1})
	return expand.Sum(nil)
}

func naiveGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

// naiveSeal makes a record of given random bytes; a nonce of 24 bytes makes it "xchacha".
func naiveSeal(meta naiveMeta, value, dataKey, salt, nonce []byte, wrapped string) string {
	var r naiveVaultRecord
	r.Meta = meta
	r.Envelope.Algorithm = "aes256gcm"
	if len(nonce) == 24 {
		r.Envelope.Algorithm = "xchacha"
	}
	encode := base64.StdEncoding.EncodeToString
	r.Envelope.Nonce, r.Envelope.HKDFSalt, r.Envelope.WrappedDEK = encode(nonce), encode(salt), encode([]byte(wrapped))
	r.Value = encode(naiveGCM(naiveHKDF(dataKey, salt, meta.URI)).Seal(nil, nonce[:12], value, nil))
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return encode(text)
}

// naiveOpen opens the text of the field "record" and is as strict as Greentic's reader or stricter.
func naiveOpen(record string, dataKey []byte) (naiveVaultRecord, []byte, error) {
	var r naiveVaultRecord
	text, err := base64.StdEncoding.Strict().DecodeString(record)
	if err != nil {
		return r, nil, err
	}
	if err := naiveStrict(text, &r); err != nil {
		return r, nil, err
	}
	decode := func(text string) []byte {
		var b []byte
		if err == nil {
			b, err = base64.StdEncoding.Strict().DecodeString(text)
		}
		return b
	}
	nonce, salt, ciphertext := decode(r.Envelope.Nonce), decode(r.Envelope.HKDFSalt), decode(r.Value)
	if err != nil {
		return r, nil, err
	}
	if r.Envelope.Algorithm != "aes256gcm" || len(nonce) != 12 || len(salt) != 32 {
		return r, nil, errors.New("not what Greentic writes")
	}
	value, err := naiveGCM(naiveHKDF(dataKey, salt, r.Meta.URI)).Open(nil, nonce, ciphertext, nil)
	return r, value, err
}

func naiveStrict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func naiveXOR(masterKey string, data []byte) []byte {
	hash := sha256.Sum256([]byte(masterKey))
	out := make([]byte, len(data))
	for i := range data {
		out[i] = data[i] ^ hash[i%32]
	}
	return out
}

// naiveDevSeal makes a dev-store's record.
func naiveDevSeal(meta naiveMeta, value, dataKey, salt, nonce []byte, masterKey string) *naiveDevRecord {
	r := naiveDevRecord{Meta: meta}
	r.Envelope.Algorithm = "aes256gcm"
	if len(nonce) == 24 {
		r.Envelope.Algorithm = "xchacha20poly1305"
	}
	r.Envelope.Nonce, r.Envelope.HKDFSalt, r.Envelope.WrappedDEK = ints(nonce), ints(salt), ints(naiveXOR(masterKey, dataKey))
	r.Value = ints(naiveGCM(naiveHKDF(dataKey, salt, meta.URI)).Seal(nil, nonce[:12], value, nil))
	return &r
}

func naiveDevWrite(file naiveDevFile) []byte {
	text, err := json.Marshal(file)
	if err != nil {
		panic(err)
	}
	return []byte("SECRETS_BACKEND_STATE=" + base64.RawStdEncoding.EncodeToString(text) + "\n")
}

// naiveDevReader reads a dev-store as Greentic's runtime does, its cache of data keys included: by environment, tenant, team and category,
// and never compared with the key that the next record was sealed with.
type naiveDevReader struct {
	masterKey string
	file      naiveDevFile
	cache     map[string][]byte
}

func newNaiveDevReader(file []byte, masterKey string) (*naiveDevReader, error) {
	r := &naiveDevReader{masterKey: masterKey, cache: map[string][]byte{}}
	for line := range strings.SplitSeq(string(file), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || strings.TrimSpace(name) != "SECRETS_BACKEND_STATE" {
			continue
		}
		state, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimSpace(value))
		if err != nil {
			return nil, err
		}
		return r, naiveStrict(state, &r.file)
	}
	return r, nil
}

func (r *naiveDevReader) get(uri string) ([]byte, error) {
	for _, secret := range r.file.Secrets {
		if secret.Key != uri || len(secret.Versions) == 0 {
			continue
		}
		last := secret.Versions[len(secret.Versions)-1]
		if last.Deleted || last.Record == nil {
			break
		}
		record := last.Record
		if record.Meta.URI != uri || record.Envelope.Algorithm != "aes256gcm" {
			return nil, fmt.Errorf("not what Greentic writes")
		}
		place := uri[:strings.LastIndex(uri, "/")]
		if r.cache[place] == nil {
			r.cache[place] = naiveXOR(r.masterKey, unints(record.Envelope.WrappedDEK))
		}
		key := naiveHKDF(r.cache[place], unints(record.Envelope.HKDFSalt), uri)
		return naiveGCM(key).Open(nil, unints(record.Envelope.Nonce), unints(record.Value), nil)
	}
	return nil, errors.New("not found")
}

func ints(data []byte) []int {
	list := make([]int, len(data))
	for i, b := range data {
		list[i] = int(b)
	}
	return list
}

func unints(list []int) []byte {
	data := make([]byte, len(list))
	for i, n := range list {
		data[i] = byte(n)
	}
	return data
}
