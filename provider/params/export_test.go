package params

// Texts and Bytes are how much is remembered.
func (m *Memory) Texts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.known)
}

func (m *Memory) Bytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	bytes := 0
	for text := range m.known {
		bytes += len(text)
	}
	return bytes
}
