package secretref

import "errors"

// One error per rule of the grammar; every error of this package is one of them with the offending text around it (errors.Is).
var (
	ErrScheme     = errors.New(`a reference starts with "secret://" or "secrets://"`)
	ErrSegments   = errors.New("a reference has exactly five segments: <env>/<tenant>/<team>/<category>/<name>")
	ErrScope      = errors.New("a scope has exactly three segments: <env>/<tenant>/<team>")
	ErrEmpty      = errors.New("a segment is never empty")
	ErrTooLong    = errors.New("a segment has at most 128 bytes")
	ErrCharacter  = errors.New("a segment holds only a-z, 0-9, '.', '_' and '-'")
	ErrDot        = errors.New(`a segment is never "."`)
	ErrDotDot     = errors.New(`a segment never starts with ".."`)
	ErrUnderscore = errors.New(`"_" stands only in the team's place, where it means the whole tenant`)
	ErrVersion    = errors.New("a version is one to nine digits, the first of them not 0")
)
