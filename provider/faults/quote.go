package faults

import "strconv"

// Quote shows hostile text on one line and no more of it than helps: at most 200 bytes, and "…" where there are more.
func Quote(text string) string {
	const most = 200
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
