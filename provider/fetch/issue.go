package fetch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// ErrKind is an answer on a raw path of another kind than the operator says.
var ErrKind = errors.New("vault answers something else than the provider's rawPaths say")

// Issuer is what is asked of a connection for a raw path.
type Issuer interface {
	Issue(ctx context.Context, token vault.Token, ask vault.Ask) (vault.Issued, error)
}

// Issued is what Vault answered on a raw path.
type Issued struct {
	vault.Issued
	// Serial and Ends are a certificate's; zero for all else.
	Serial string
	Ends   time.Time
}

// Issue asks what a granted raw path gives. A lease is asked for only with a token that can carry it. Where the answer is of another kind than
// the operator says, it is given up; a lease that it has then dies with the token, or by its age.
func Issue(ctx context.Context, from Issuer, token vault.Token, granted badge.Granted) (Issued, error) {
	path := granted.Path()
	switch {
	case path.IsZero():
		return Issued{}, ErrNotGranted
	case path.Kind() == badge.KindLease && !token.IsKept():
		return Issued{}, fmt.Errorf("%q is leased: %w, and nothing was issued; run `gtc-deployer vault apply` with the provider's configuration "+
			"(--provider-config) or with --leased SCOPE, which gives the scope's workers service tokens", path.Request(), vault.ErrBatch)
	}
	request := path.Request()
	answer, err := from.Issue(ctx, token, vault.Ask{Path: request.Path(), Write: path.IsWrite(), Args: request.Args()})
	if err != nil {
		return Issued{}, err
	}
	issued := Issued{Issued: answer}
	if err := issued.check(path.Kind()); err != nil {
		answer.Data.Wipe()
		return Issued{}, fmt.Errorf("%q: %w", request, err)
	}
	return issued, nil
}

// check holds the answer against what the operator says that it is.
func (i *Issued) check(kind badge.Kind) error {
	leased := i.Lease != ""
	switch {
	case kind != badge.KindLease && leased:
		return fmt.Errorf("%w: it is leased; write kind: lease there", ErrKind)
	case kind == badge.KindLease && !leased:
		return fmt.Errorf("%w: it is not leased; write kind: value there, or kind: certificate", ErrKind)
	case kind == badge.KindLease && i.Lasts <= 0:
		return fmt.Errorf("%w: its lease has no duration", ErrKind)
	case kind == badge.KindCertificate && !i.certificate():
		return fmt.Errorf("%w: it is no certificate with a serial_number and an expiration; write kind: value there, or kind: lease", ErrKind)
	}
	return nil
}

// certificate reads the certificate's serial and end, as Vault's PKI engine tells them beside it.
// See https://developer.hashicorp.com/vault/api-docs/secret/pki#generate-certificate-and-key.
func (i *Issued) certificate() bool {
	const longest = 1 << 8
	data, err := exactjson.Parse(i.Data.Reveal())
	if err != nil {
		return false
	}
	serial, err := data.Text("serial_number")
	foreign := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:-", r) }
	if err != nil || serial == "" || len(serial) > longest || strings.ContainsFunc(serial, foreign) {
		return false
	}
	const latest = 253402300799 // the end of the year 9999
	var ends int64
	if data.Read("expiration", &ends) != nil || ends < 1 || ends > latest {
		return false
	}
	i.Serial, i.Ends = serial, time.Unix(ends, 0)
	return true
}

// issue is one distinct raw path that may be read again and again.
type issue struct {
	granted badge.Granted
	issued  Issued
	err     error
}

// issueAll asks for the raw paths that are not held for a pod, each once, all at the same time.
func (f *fetcher) issueAll(ctx context.Context, wishes []Wish) {
	var fresh []*issue
	for _, wish := range wishes {
		path := wish.Granted.Path()
		if _, known := f.issued[wish.Granted]; !path.IsZero() && !path.IsHeld() && !known {
			i := &issue{granted: wish.Granted}
			if f.issued == nil {
				f.issued = map[badge.Granted]*issue{}
			}
			f.issued[wish.Granted] = i
			fresh = append(fresh, i)
		}
	}
	atOnce(fresh, func(i *issue) {
		if i.issued, i.err = Issue(ctx, f.vault, f.token, i.granted); i.err == nil && !f.budget.spend(i.issued.Data.Len()) {
			i.err = fmt.Errorf("%w: more than %d bytes; split the class", ErrTooMuch, MaxRead)
		}
	})
}

// share is a wish's share of them; nothing if it is held for the pod.
func (f *fetcher) share(wish Wish) (Found, error) {
	i, asked := f.issued[wish.Granted]
	switch {
	case !asked:
		return Found{}, nil
	case i.err == nil:
		return Found{Path: wish.Granted.Path(), Issued: i.issued}, nil
	case wish.Excuses(i.err):
		return Found{}, nil
	default:
		return Found{}, i.err
	}
}
