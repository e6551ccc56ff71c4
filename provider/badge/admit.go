package badge

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// ErrDenied is every denial: errors.Is(err, ErrDenied). errors.As with *Denial gives the reason.
var ErrDenied = errors.New("denied")

// Reason says which lock held.
type Reason string

// The reasons of a denial.
const (
	ReasonBadge     Reason = "badge"     // the pod's identity does not prove the scope
	ReasonToken     Reason = "token"     // the token is not this pod's, not for this audience, or over
	ReasonReference Reason = "reference" // the reference is outside the scope
	ReasonPath      Reason = "path"      // the raw path, or what is sent with it, is not the operator's grant
)

// Denial is one reason why a pod does not get what it asks for.
type Denial struct { //nolint:errname // a denial is what Admit decides, and the word for it
	Reason Reason
	text   string
}

// Error says what was denied and what the owner can do.
func (d *Denial) Error() string { return d.text }

// Is makes every Denial an ErrDenied.
func (d *Denial) Is(target error) bool { return target == ErrDenied }

func deny(reason Reason, format string, args ...any) error {
	return &Denial{Reason: reason, text: fmt.Sprintf(format, args...)}
}

// Pod is a pod as the kubelet names it to the driver.
type Pod struct {
	Namespace      string
	Name           string
	UID            string
	ServiceAccount string
}

// Badge is the pod's identity.
func (p Pod) Badge() Badge { return Badge{Namespace: p.Namespace, ServiceAccount: p.ServiceAccount} }

// Claim is what a mount asks for, and on what proof.
type Claim struct {
	Scope    secretref.Scope // what the class says that the pod is
	Pod      Pod             // what the kubelet says that the pod is
	Token    Claims          // what the pod's token says that it is
	Audience string          // whom the token must be for: the connection's audience
	Asks     []Ask           // what is asked for, in the order of the objects
	Paths    []PathRule      // what the operator grants besides references, on the connection
}

// Ask is what one object asks for: a reference, or else a raw path.
type Ask struct {
	Reference secretref.Reference
	Path      rawpath.Request
}

// Granted is a reference or a raw path that a pod may have. Only Admit makes one that is not zero. It is comparable.
type Granted struct {
	ref  secretref.Reference
	path Path
}

// Reference is what was granted; zero for a raw path and for the zero Granted.
func (g Granted) Reference() secretref.Reference { return g.ref }

// Path is the raw path that was granted; zero for a reference and for the zero Granted.
func (g Granted) Path() Path { return g.path }

// IsZero reports whether nothing was granted.
func (g Granted) IsZero() bool { return g.ref.IsZero() && g.path.IsZero() }

// WholeTenant is the tenant's secret of the same category and name: every scope of the tenant may have it.
func (g Granted) WholeTenant() Granted { return Granted{ref: g.ref.WholeTenant()} }

// Admit decides c at the time now. The Granted are in the order of c.Asks. A denial lists every fault at once, each a *Denial;
// field paths are those of the class's parameters.
func (n Naming) Admit(c Claim, now time.Time) ([]Granted, error) {
	var faults []error
	if !n.Proves(c.Pod.Badge(), c.Scope) {
		faults = append(faults, n.wrongBadge(c))
	}
	faults = append(faults, tokenFaults(c, now)...)
	granted := make([]Granted, len(c.Asks))
	for i, ask := range c.Asks {
		if !ask.Path.IsZero() {
			path, err := c.grantPath(i, ask.Path)
			faults = append(faults, err...)
			granted[i] = Granted{path: path}
			continue
		}
		ref := ask.Reference
		if !c.Scope.Grants(ref) {
			faults = append(faults, deny(ReasonReference,
				"objects[%d].ref: %q is outside the scope %q, which grants its own team's secrets and the tenant's (team %q); "+
					"name a secret of that scope, or run the worker under the other team's badge", i, ref, c.Scope, secretref.WholeTenant))
			continue
		}
		granted[i] = Granted{ref: ref}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return granted, nil
}

func (n Naming) wrongBadge(c Claim) error {
	expected, actual := n.Expected(c.Scope), c.Pod.Badge()
	if scope, ruled := n.rules[actual]; ruled {
		return deny(ReasonBadge,
			"scope: %q is not this pod's: a rule of the provider's configuration says that namespace %q and ServiceAccount %q prove %q; "+
				"correct the class's scope or run the pod under another badge", c.Scope, actual.Namespace, actual.ServiceAccount, scope)
	}
	return deny(ReasonBadge,
		"scope: %q is proven by namespace %q and ServiceAccount %q, and this pod has namespace %q and ServiceAccount %q; "+
			"correct the class's scope or run the pod under that badge (gtc-deployer render writes both)",
		c.Scope, expected.Namespace, expected.ServiceAccount, actual.Namespace, actual.ServiceAccount)
}

func tokenFaults(c Claim, now time.Time) []error {
	var faults []error
	differs := func(claim, got, want string) {
		if got != want || got == "" {
			faults = append(faults, deny(ReasonToken,
				"token: its %s is %q where the kubelet says %q: it is another pod's token; remove whatever sets the pod's tokens besides the kubelet",
				claim, got, want))
		}
	}
	differs("sub", c.Token.Subject, "system:serviceaccount:"+c.Pod.Namespace+":"+c.Pod.ServiceAccount)
	differs("kubernetes.io.namespace", c.Token.Namespace, c.Pod.Namespace)
	differs("kubernetes.io.serviceaccount.name", c.Token.ServiceAccount, c.Pod.ServiceAccount)
	differs("kubernetes.io.pod.name", c.Token.PodName, c.Pod.Name)
	differs("kubernetes.io.pod.uid", c.Token.PodUID, c.Pod.UID)
	if c.Audience == "" || !slices.Contains(c.Token.Audiences, c.Audience) {
		faults = append(faults, deny(ReasonToken,
			"token: its audience is %q where the connection's is %q; set that audience in the CSIDriver object's tokenRequests",
			c.Token.Audiences, c.Audience))
	}
	if !now.Before(c.Token.Expires) {
		faults = append(faults, deny(ReasonToken,
			"token: it expired at %s; the kubelet sends a new one with the next attempt", c.Token.Expires.UTC().Format(time.RFC3339)))
	}
	return faults
}
