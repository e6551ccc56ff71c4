package params

import "sync"

// What a Memory holds at most. Where there would be more it begins anew: a node has few classes, and reads each of them once more.
const (
	mostTexts     = 256
	mostTextBytes = 64 << 10
)

// Memory is a Decode that reads the same text of objects once, while it is remembered: replicas have it, and a pod whose token was renewed.
// What was faulty is read again. The zero value is ready. It is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	known map[string][]Object // by their text, to the byte
	bytes int                 // of texts
}

// Decode is the package's Decode.
func (m *Memory) Decode(attributes map[string]string) (Params, error) {
	text := attributes["objects"]
	known := m.recall(text)
	p, err := decode(Params{Objects: known}, attributes)
	if err == nil && known == nil {
		m.remember(text, p.Objects)
	}
	return p, err
}

func (m *Memory) recall(text string) []Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[text]
}

func (m *Memory) remember(text string, objects []Object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) == 0 || len(m.known) == mostTexts || m.bytes+len(text) > mostTextBytes {
		m.known, m.bytes = map[string][]Object{}, 0
	}
	if _, twice := m.known[text]; !twice {
		m.bytes += len(text)
	}
	m.known[text] = objects
}
