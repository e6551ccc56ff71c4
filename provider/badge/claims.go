package badge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// ErrToken is what ParseClaims refuses with: the token is no service-account token that is bound to a pod.
var ErrToken = errors.New("not a pod's service-account token")

// MaxToken is the longest token, in bytes, that is looked at. Kubernetes' own are about 1 KiB.
const MaxToken = 16 << 10

// Claims is what a pod's service-account token says of itself. Nothing here is verified: the API server, asked by Vault, does that.
// See https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#service-account-token-structure.
type Claims struct {
	Subject        string // system:serviceaccount:<namespace>:<name>
	Namespace      string
	ServiceAccount string
	PodName        string
	PodUID         string
	Audiences      []string
	Expires        time.Time
	Issued         time.Time // zero if the token does not say
}

// ParseClaims reads the claims of a compact JWT without verifying it. None of them is empty but Issued. An unsigned token is refused, and one whose
// claims another reader could read in another way: names in another case, names that stand twice, encodings that are not exact.
func ParseClaims(token secret.Value) (Claims, error) {
	if token.Len() > MaxToken {
		return Claims{}, fmt.Errorf("%w: longer than %d bytes", ErrToken, MaxToken)
	}
	parts := bytes.Split(token.Reveal(), []byte("."))
	if len(parts) != 3 {
		return Claims{}, fmt.Errorf("%w: a JWT has three parts, this has %d", ErrToken, len(parts))
	}
	header, err := decodePart(parts[0])
	if err != nil {
		return Claims{}, fmt.Errorf("%w: header: %w", ErrToken, err)
	}
	algorithm, err := header.Text("alg")
	if err != nil || algorithm == "" || strings.EqualFold(algorithm, "none") || len(parts[2]) == 0 {
		return Claims{}, fmt.Errorf("%w: it is not signed", ErrToken)
	}
	if _, err := decodeBase64(parts[2]); err != nil {
		return Claims{}, fmt.Errorf("%w: signature: %w", ErrToken, err)
	}
	body, err := decodePart(parts[1])
	if err != nil {
		return Claims{}, fmt.Errorf("%w: claims: %w", ErrToken, err)
	}
	claims, err := readClaims(body)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: claims: %w", ErrToken, err)
	}
	return claims, nil
}

func readClaims(body exactjson.Object) (Claims, error) {
	var c Claims
	kubernetes, err := body.Object("kubernetes.io")
	if err != nil {
		return Claims{}, err
	}
	pod, err := kubernetes.Object("pod")
	if err != nil {
		return Claims{}, fmt.Errorf("kubernetes.io.%w; it is bound to no pod", err)
	}
	account, err := kubernetes.Object("serviceaccount")
	if err != nil {
		return Claims{}, fmt.Errorf("kubernetes.io.%w", err)
	}
	for _, claim := range []struct {
		in         exactjson.Object
		path, name string
		into       *string
	}{
		{body, "", "sub", &c.Subject},
		{kubernetes, "kubernetes.io.", "namespace", &c.Namespace},
		{account, "kubernetes.io.serviceaccount.", "name", &c.ServiceAccount},
		{pod, "kubernetes.io.pod.", "name", &c.PodName},
		{pod, "kubernetes.io.pod.", "uid", &c.PodUID},
	} {
		if *claim.into, err = claim.in.Text(claim.name); err != nil {
			return Claims{}, fmt.Errorf("%s%w", claim.path, err)
		}
		if *claim.into == "" {
			return Claims{}, fmt.Errorf("%s%s: is empty", claim.path, claim.name)
		}
	}
	if c.Audiences, err = readAudiences(body); err != nil {
		return Claims{}, err
	}
	if c.Expires, err = readTime(body, "exp"); err != nil {
		return Claims{}, err
	}
	if body.Has("iat") {
		c.Issued, err = readTime(body, "iat")
	}
	return c, err
}

// readAudiences reads RFC 7519's aud: one string, or a list of them.
func readAudiences(body exactjson.Object) ([]string, error) {
	if one, err := body.Text("aud"); err == nil {
		return []string{one}, nil
	}
	var many []exactText
	if err := body.Read("aud", &many); err != nil {
		return nil, err
	}
	audiences := make([]string, len(many))
	for i := range many {
		audiences[i] = string(many[i])
	}
	return audiences, nil
}

// exactText is a JSON string; null is none.
type exactText string

// UnmarshalJSON reads the string.
func (t *exactText) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return exactjson.ErrType
	}
	return json.Unmarshal(text, (*string)(t))
}

// readTime reads RFC 7519's exp or iat: seconds since 1970, of which a fraction is cut off.
func readTime(body exactjson.Object, name string) (time.Time, error) {
	const latest = 253402300799 // the end of the year 9999: no later time can be written in RFC 3339
	var seconds float64
	if err := body.Read(name, &seconds); err != nil {
		return time.Time{}, err
	}
	if seconds < 1 || seconds > latest {
		return time.Time{}, fmt.Errorf("%s: no time", name)
	}
	return time.Unix(int64(seconds), 0), nil
}

func decodePart(part []byte) (exactjson.Object, error) {
	text, err := decodeBase64(part)
	if err != nil {
		return nil, err
	}
	return exactjson.Parse(text)
}

var (
	errNotBase64 = errors.New("not base64url")
	strict       = base64.RawURLEncoding.Strict()
)

// decodeBase64 keeps the decoder's own error to itself, and does not pass over line breaks as the decoder does.
func decodeBase64(part []byte) ([]byte, error) {
	text := make([]byte, base64.RawURLEncoding.DecodedLen(len(part)))
	n, err := strict.Decode(text, part)
	if err != nil || bytes.ContainsAny(part, "\r\n") {
		return nil, errNotBase64
	}
	return text[:n], nil
}
