package vault

import (
	"errors"
	"io"
	"net/http"
)

// errTooLong is what reading an answer ends with when it has more than MaxAnswer bytes.
var errTooLong = errors.New("answer too long")

// bounded lets no answer's body grow over MaxAnswer. It stands above the transport and therefore counts what was decompressed, and
// below the Vault library, which reads the body of an error without a limit of its own.
type bounded struct{ next http.RoundTripper }

// RoundTrip is next's, with the body bounded.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if response != nil {
		response.Body = &boundedBody{body: response.Body, left: MaxAnswer}
	}
	return response, err
}

type boundedBody struct {
	body io.ReadCloser
	left int
}

// Read fails with errTooLong where the body goes on after MaxAnswer bytes.
func (b *boundedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if n > b.left {
		n, err = b.left, errTooLong
	}
	b.left -= n
	return n, err
}

// Close closes the body.
func (b *boundedBody) Close() error { return b.body.Close() }
