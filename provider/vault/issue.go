package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Ask is a request on a raw path.
type Ask struct {
	Path  string            // below /v1/, in segments that need no escaping
	Write bool              // Vault is written to, with Args as the body; else it is read, with Args as the query
	Args  map[string]string // nil is none
}

// Issued is what Vault answers on a raw path.
type Issued struct {
	Data secret.Value // the JSON object "data"
	// Lease is the lease's id; "" where there is none, and then the fields below mean nothing.
	Lease     string
	Lasts     time.Duration // the lease
	Renewable bool
}

// maxLease is the longest id of a lease that is believed: a path and some letters.
const maxLease = 2 << 10

// longestLease bounds what is believed of a lease's duration: ten years.
const longestLease = 10 * 365 * 24 * time.Hour

// Issue asks what is behind a raw path. Where the answer is lost on the way and the request is tried again, Vault has made two leases, of
// which one is never renewed and ends by its age.
// See https://developer.hashicorp.com/vault/docs/concepts/lease.
func (c *Client) Issue(ctx context.Context, token Token, ask Ask) (Issued, error) {
	verb := "reading"
	if ask.Write {
		verb = "writing"
	}
	what := fmt.Sprintf("%s %q", verb, ask.Path)
	if !cleanPath(ask.Path) {
		return Issued{}, fmt.Errorf("%s: %w: not a path of plain segments", what, ErrOptions)
	}
	r := request{kind: KindIssue, path: ask.Path, pod: token.pod, token: token.value}
	if err := r.send(ask); err != nil {
		return Issued{}, fmt.Errorf("%s: encoding the request: %w", what, err)
	}
	answer, err := c.do(ctx, r)
	if err != nil {
		return Issued{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := refusedIssue(what, answer); err != nil {
		return Issued{}, err
	}
	envelope, err := open(what, answer)
	if err != nil {
		return Issued{}, err
	}
	return readIssued(what, envelope)
}

func (r *request) send(ask Ask) (err error) {
	switch {
	case ask.Write && len(ask.Args) == 0:
		r.body = []byte("{}")
	case ask.Write:
		r.body, err = json.Marshal(ask.Args)
	default:
		for name, value := range ask.Args {
			if r.query == nil {
				r.query = url.Values{}
			}
			r.query.Set(name, value)
		}
	}
	return err
}

// refusedIssue knows Vault's refusals. What an engine writes of a 400 is not repeated: it may hold what was asked for.
func refusedIssue(what string, answer reply) error {
	switch {
	case answer.status == http.StatusForbidden:
		return fmt.Errorf("%s: %w (403): run `gtc-deployer vault apply` with the provider's configuration (--provider-config)", what, ErrPolicy)
	case noRoute(answer):
		return fmt.Errorf("%s: %w (404): nothing is mounted there; correct the path under rawPaths, or mount the engine", what, ErrMount)
	case answer.status == http.StatusNotFound:
		if _, err := decode(what, answer.body); err != nil {
			return err // somebody else's
		}
		return fmt.Errorf("%s: %w (404)", what, ErrNotFound)
	case answer.status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%s: %w (405): the path is not one for that; correct its method under rawPaths", what, ErrIssue)
	case answer.status == http.StatusBadRequest:
		return fmt.Errorf("%s: %w (400): its role is not there, or does not allow what is sent with it; "+
			"see the engine's role, and the object's args", what, ErrIssue)
	case answer.status == http.StatusNoContent:
		return fmt.Errorf("%s: %w (204): it answers nothing that could be a file", what, ErrIssue)
	default:
		return nil
	}
}

func readIssued(what string, envelope exactjson.Object) (Issued, error) {
	if !bytes.HasPrefix(envelope.Raw(fieldData), []byte("{")) {
		return Issued{}, lacks(what, "data")
	}
	i := Issued{Data: secret.New(bytes.Clone(envelope.Raw(fieldData)))}
	var err error
	if i.Lease, i.Lasts, i.Renewable, err = readLease(what, envelope); err != nil {
		return Issued{}, err
	}
	return i, nil
}

// readLease reads an answer's lease; an id of "" is none.
func readLease(what string, envelope exactjson.Object) (id string, lasts time.Duration, renewable bool, err error) {
	var seconds int64
	if id, err = optional(envelope, "lease_id"); err != nil || len(id) > maxLease || id != "" && !visible(id) {
		return "", 0, false, lacks(what, "lease_id that is text")
	}
	if envelope.Has("lease_duration") && envelope.Read("lease_duration", &seconds) != nil {
		return "", 0, false, lacks(what, "lease_duration that is a number of seconds")
	}
	if envelope.Has("renewable") && envelope.Read("renewable", &renewable) != nil {
		return "", 0, false, lacks(what, "renewable that is true or false")
	}
	return id, time.Duration(min(max(seconds, 0), int64(longestLease/time.Second))) * time.Second, renewable, nil
}
