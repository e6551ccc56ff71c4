package secretref_test

import (
	"errors"

	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// rulesBroken counts the rules that err names.
func rulesBroken(err error) int {
	count := 0
	for _, rule := range []error{
		secretref.ErrScheme, secretref.ErrSegments, secretref.ErrScope, secretref.ErrEmpty, secretref.ErrTooLong, secretref.ErrCharacter,
		secretref.ErrDot, secretref.ErrDotDot, secretref.ErrUnderscore, secretref.ErrVersion,
	} {
		if errors.Is(err, rule) {
			count++
		}
	}
	return count
}
