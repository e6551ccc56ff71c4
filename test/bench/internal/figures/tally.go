package figures

import "strings"

// Tally counts requests at Vault by what they are for.
type Tally struct {
	Logins   int `json:"logins"`
	Reads    int `json:"reads"`
	Decrypts int `json:"decrypts"`
	Others   int `json:"others"`
}

// Plus is the sum of both.
func (t Tally) Plus(u Tally) Tally {
	return Tally{t.Logins + u.Logins, t.Reads + u.Reads, t.Decrypts + u.Decrypts, t.Others + u.Others}
}

// String lists what there is: "1 login, 3 reads".
func (t Tally) String() string {
	var parts []string
	for _, part := range []struct {
		count int
		word  string
	}{{t.Logins, "login"}, {t.Reads, "read"}, {t.Decrypts, "transit call"}, {t.Others, "other"}} {
		if part.count > 0 {
			parts = append(parts, plural(part.count, part.word))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
