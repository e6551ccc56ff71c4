// Package canary looks for secrets where none may be: in logs, errors, events, metrics, API objects and files.
//
// A secret that leaks seldom leaks as it is. Each canary is therefore looked for plainly, in hex, in base64 at all three alignments
// (so also in the middle of a longer encoded text), URL-escaped and JSON-escaped.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
)

// Needle is one canary in one form.
type Needle struct {
	Name string // which canary
	Form string // in which form: plain, hex, base64+0…
	text []byte
}

// Set is every form of every canary. The zero value finds nothing. A copy is good until something is added to either.
type Set struct {
	needles []Needle
	byTail  map[uint64][]int // indices of needles by their last 8 bytes: tokens begin alike and end each in its own way
	maybe   []bool           // whether a tail with this hash is in byTail
}

// shortest is the length below which a text is found by chance. A needle's tail has this length.
const shortest = 8

// Add puts the secret called name into the set, in all its forms. A secret of fewer than 8 bytes is an error: it would be found anywhere.
func (s *Set) Add(name, secret string) error {
	if len(secret) < shortest {
		return fmt.Errorf("canary %s has %d bytes, and a search needs at least %d", name, len(secret), shortest)
	}
	for _, form := range forms([]byte(secret)) {
		if len(form.text) < shortest || s.has(form.text) {
			continue
		}
		s.insert(Needle{Name: name, Form: form.Form, text: form.text})
	}
	return nil
}

// has says whether text is a needle already.
func (s *Set) has(text []byte) bool {
	return slices.ContainsFunc(s.byTail[tail(text)], func(i int) bool { return bytes.Equal(s.needles[i].text, text) })
}

// AddAll puts all that other has into the set.
func (s *Set) AddAll(other Set) {
	for _, needle := range other.needles {
		s.insert(needle)
	}
}

func (s *Set) insert(needle Needle) {
	if s.byTail == nil {
		s.byTail, s.maybe = map[uint64][]int{}, make([]bool, 1<<hashBits)
	}
	end := tail(needle.text)
	s.byTail[end] = append(s.byTail[end], len(s.needles))
	s.maybe[hash(end)] = true
	s.needles = append(s.needles, needle)
}

// Names are the names of the canaries, each once, in the order in which they came.
func (s Set) Names() []string {
	var names []string
	for _, needle := range s.needles {
		if !slices.Contains(names, needle.Name) {
			names = append(names, needle.Name)
		}
	}
	return names
}

const hashBits = 16

// hash is the multiplicative one: the product's high bits depend on every bit of tail.
func hash(tail uint64) uint64 { return tail * 0x9e3779b97f4a7c15 >> (64 - hashBits) }

func tail(text []byte) uint64 { return binary.LittleEndian.Uint64(text[len(text)-shortest:]) }

func forms(secret []byte) []Needle {
	found := []Needle{
		{Form: "plain", text: secret},
		{Form: "hex", text: []byte(hex.EncodeToString(secret))},
		{Form: "HEX", text: bytes.ToUpper([]byte(hex.EncodeToString(secret)))},
		{Form: "url query", text: []byte(url.QueryEscape(string(secret)))},
		{Form: "url path", text: []byte(url.PathEscape(string(secret)))},
	}
	if quoted, err := json.Marshal(string(secret)); err == nil {
		found = append(found, Needle{Form: "json", text: quoted[1 : len(quoted)-1]})
	}
	for _, encoding := range []struct {
		name string
		*base64.Encoding
	}{{"base64", base64.RawStdEncoding}, {"base64url", base64.RawURLEncoding}} {
		for shift := range 3 {
			found = append(found, Needle{Form: fmt.Sprintf("%s+%d", encoding.name, shift), text: aligned(encoding.Encoding, secret, shift)})
		}
	}
	return found
}

// aligned is the part of base64 text that the secret determines whatever stands before and after it, if shift bytes (modulo 3) do.
func aligned(encoding *base64.Encoding, secret []byte, shift int) []byte {
	padded := append(make([]byte, shift), secret...)
	text := encoding.EncodeToString(padded)
	first := (shift*8 + 5) / 6  // characters that hold bits of what stands before
	last := len(padded) * 8 / 6 // characters that hold only bits of the secret
	return []byte(text[first:last])
}

// Find is every needle of the set that text holds. It goes through text once, however many needles there are.
func (s Set) Find(text []byte) []Needle {
	if len(s.needles) == 0 {
		return nil
	}
	var found []Needle
	seen := map[int]bool{}
	for end := shortest; end <= len(text); end++ {
		last := tail(text[:end])
		if !s.maybe[hash(last)] {
			continue
		}
		for _, i := range s.byTail[last] {
			if !seen[i] && bytes.HasSuffix(text[:end], s.needles[i].text) {
				seen[i] = true
				found = append(found, s.needles[i])
			}
		}
	}
	return found
}

// FindIn is Find over a stream of any length.
func (s Set) FindIn(r io.Reader) ([]Needle, error) {
	longest := 0
	for _, needle := range s.needles {
		longest = max(longest, len(needle.text))
	}
	var found []Needle
	chunk := make([]byte, 0, 1<<20+longest)
	for {
		n, err := io.ReadFull(r, chunk[len(chunk):1<<20+len(chunk)])
		chunk = chunk[:len(chunk)+n]
		for _, needle := range s.Find(chunk) {
			if !slices.ContainsFunc(found, func(f Needle) bool { return bytes.Equal(f.text, needle.text) }) {
				found = append(found, needle)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		// What could be the beginning of a needle stays in front of the next chunk.
		keep := min(longest, len(chunk))
		chunk = append(chunk[:0], chunk[len(chunk)-keep:]...)
	}
}

// Place is a file that holds a needle.
type Place struct {
	Path string
	Needle
}

// String says where and in which form, never what.
func (p Place) String() string { return fmt.Sprintf("%s in %s (%s)", p.Name, p.Path, p.Form) }

// FindUnder is Find over every regular file below dir, as bytes.
func (s Set) FindUnder(dir string) (places []Place, files int, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		found, err := s.FindIn(file)
		_ = file.Close()
		if err != nil {
			return fmt.Errorf("searching %s: %w", path, err)
		}
		files++
		for _, needle := range found {
			places = append(places, Place{Path: path, Needle: needle})
		}
		return nil
	})
	return places, files, err
}
