package vault_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// TestAnswersThatAreNotVaults holds for every kind of request.
func TestAnswersThatAreNotVaults(t *testing.T) {
	long := strings.Repeat(" ", 30<<20) // thirty million bytes of nothing
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		is     error
		says   string
	}{
		"an empty object":     {says(200, `{}`), vault.ErrAnswer, "it has no"},
		"204":                 {says(204, ""), vault.ErrAnswer, "status 204"},
		"nothing":             {says(200, ""), vault.ErrAnswer, "not the JSON object"},
		"null":                {says(200, "null"), vault.ErrAnswer, "not the JSON object"},
		"a list":              {says(200, `["`+mark+`"]`), vault.ErrAnswer, "not the JSON object"},
		"HTML":                {says(200, "<html>"+mark+"</html>"), vault.ErrAnswer, "not the JSON object"},
		"HTML, not found":     {says(404, "<html>"+mark+"</html>"), vault.ErrAnswer, ""},
		"JSON cut short":      {says(200, `{"data":{"data":{"value":"`+mark), vault.ErrAnswer, "not the JSON object"},
		"JSON and more":       {says(200, goodLogin+`{"`+mark+`":1}`), vault.ErrAnswer, "not the JSON object"},
		"of other types":      {says(200, `{"auth":"`+mark+`","data":"`+mark+`"}`), vault.ErrAnswer, ""},
		"null within":         {says(200, `{"auth":null,"data":null}`), vault.ErrAnswer, "it has no"},
		"names in capitals":   {says(200, `{"Auth":{"client_token":"`+mark+`"},"Data":{"batch_results":[{"plaintext":"AAAA"}]}}`), vault.ErrAnswer, "it has no"},
		"a name twice":        {says(200, `{"auth":{},"data":{},"data":{"`+mark+`":1},"auth":{}}`), vault.ErrAnswer, "not the JSON object"},
		"30 MB":               {says(200, `{"data":"`+long+`"}`), vault.ErrAnswer, "more than 4194304 bytes"},
		"30 MB of an error":   {says(400, `{"errors":["`+mark+long+`"]}`), vault.ErrAnswer, "more than 4194304 bytes"},
		"30 MB in gzip":       {zipped(long), vault.ErrAnswer, "more than 4194304 bytes"},
		"a body cut short":    {cutShort, vault.ErrAnswer, "cut short (tried 3 times)"},
		"405":                 {says(405, `{"errors":["`+mark+`"]}`), vault.ErrAnswer, "status 405"},
		"418":                 {says(418, mark), vault.ErrAnswer, "status 418"},
		"201":                 {says(201, goodLogin), vault.ErrAnswer, "status 201"},
		"not modified":        {says(304, ""), vault.ErrAnswer, "status 304"},
		"sealed":              {says(503, `{"errors":["Vault is sealed"]}`), vault.ErrUnavailable, "it is sealed (503) (tried 3 times)"},
		"500":                 {says(500, `{"errors":["`+mark+`"]}`), vault.ErrUnavailable, "it answered 500 (tried 3 times)"},
		"429":                 {says(429, `{"errors":["`+mark+`"]}`), vault.ErrUnavailable, "limits the rate"},
		"412":                 {says(412, `{"errors":["`+mark+`"]}`), vault.ErrUnavailable, "it answered 412"},
		"a hang":              {hang, vault.ErrUnavailable, "no answer in time (tried 3 times)"},
		"a hang in the body":  {hangInBody, vault.ErrUnavailable, "no answer in time (tried 3 times)"},
		"a closed connection": {closed, vault.ErrUnavailable, "the connection was closed (tried 3 times)"},
		"no HTTP":             {garbage, vault.ErrUnavailable, "the connection failed"},
		"headers without end": {headers, vault.ErrUnavailable, "the connection failed"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, serve(t, row.answer))
			if strings.HasPrefix(name, "a hang") {
				o.Retry.Timeout = 50 * time.Millisecond
			}
			c := connect(t, o)
			for kind, ask := range operations(t, c) {
				err := ask(deadline(t, 10*time.Second))
				require.ErrorIs(t, err, row.is, "%s", kind)
				assert.ErrorContains(t, err, row.says, "%s", kind)
				quiet(t, err)
			}
		})
	}
}

func zipped(text string) http.HandlerFunc {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"data":"`+text+`"}`)
	_ = z.Close()
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
}

func cutShort(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, goodLogin[:20])
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func hangInBody(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "{")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func closed(w http.ResponseWriter, _ *http.Request) { raw(w, "") }

func garbage(w http.ResponseWriter, _ *http.Request) { raw(w, mark+"\r\n\r\n") }

func headers(w http.ResponseWriter, _ *http.Request) {
	raw(w, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat(mark, 64<<10)+"\r\n\r\n{}")
}

// raw writes text instead of HTTP and hangs up.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

func TestRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		kind   vault.Kind
		status int
		body   string
		is     error
		says   string
	}{
		"login: refused": {vault.KindLogin, 403, `{"errors":["permission denied"]}`, vault.ErrLogin, "or the pod has ended, or Vault cannot ask the Kubernetes API"},
		"login: no role (kubernetes)": {
			vault.KindLogin, 400, `{"errors":["invalid role name \"gtc.prod.acme.sales\""]}`, vault.ErrRole,
			`role "gtc.prod.acme.sales": vault has no such role (400): run ` + "`gtc-deployer vault apply`",
		},
		"login: no role (jwt)": {vault.KindLogin, 400, `{"errors":["role \"gtc.prod.acme.sales\" could not be found"]}`, vault.ErrRole, "vault apply"},
		"login: claims":        {vault.KindLogin, 400, `{"errors":["error validating token: ` + mark + `"]}`, vault.ErrLogin, "audience, issuer, subject or age"},
		"login: unconfigured":  {vault.KindLogin, 400, `{"errors":["could not load configuration"]}`, vault.ErrMount, "auth/kubernetes has no configuration"},
		"login: no mount":      {vault.KindLogin, 404, `{"errors":["no handler for route \"x\". route entry not found."]}`, vault.ErrMount, "nothing is mounted at auth/kubernetes"},
		"login: a name of the identity that is no text": {
			vault.KindLogin, 200, `{"auth":{"client_token":"t","metadata":{"service_account_name":["` + mark + `"]}}}`, vault.ErrAnswer, "service_account_name that is text",
		},
		"login: an identity that is no object": {
			vault.KindLogin, 200, `{"auth":{"client_token":"t","metadata":"` + mark + `"}}`, vault.ErrAnswer, "auth.metadata that is an object",
		},
		"login: two tokens": {vault.KindLogin, 200, `{"auth":{"client_token":"t","client_token":"` + mark + `"}}`, vault.ErrAnswer, "it has no auth"},
		"login: no token":   {vault.KindLogin, 200, `{"auth":{"client_token":""}}`, vault.ErrAnswer, "auth.client_token"},
		"login: a token that is two headers": {
			vault.KindLogin, 200, `{"auth":{"client_token":"` + mark + `\r\nX: y"}}`, vault.ErrAnswer, "auth.client_token",
		},
		"read: policy": {vault.KindRead, 403, `{"errors":["` + mark + `"]}`, vault.ErrPolicy, `reading "secret/data/greentic/prod/acme/sales/slack/token": vault's policy refuses`},
		"read: a token that was revoked": {
			vault.KindRead, 403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`, vault.ErrEnded, "it was revoked or has ended; the next try logs in again",
		},
		"decrypt: a token that was revoked": {
			vault.KindDecrypt, 403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`, vault.ErrEnded, "vault's policy refuses the request (403): vault does not know the token",
		},
		"read: absent":   {vault.KindRead, 404, `{"errors":[]}`, vault.ErrNotFound, "secrets put"},
		"read: deleted":  {vault.KindRead, 404, `{"data":{"data":null,"metadata":{"version":2}}}`, vault.ErrNotFound, "was deleted"},
		"read: no mount": {vault.KindRead, 404, `{"errors":["no handler for route \"x\". route entry not found."]}`, vault.ErrMount, "nothing is mounted at secret"},
		"read: 404 of somebody else": {
			vault.KindRead, 404, `{"message":"` + mark + `"}`, vault.ErrAnswer, "status 404 does not belong there",
		},
		"read: no object": {vault.KindRead, 200, `{"data":"` + mark + `"}`, vault.ErrAnswer, "it has no data"},
		"read: 404 whose errors are no list": {
			vault.KindRead, 404, `{"errors":"` + mark + `"}`, vault.ErrAnswer, "status 404 does not belong there",
		},
		"read: 400":         {vault.KindRead, 400, `{"errors":["` + mark + `"]}`, vault.ErrAnswer, "status 400"},
		"decrypt: policy":   {vault.KindDecrypt, 403, `{"errors":["` + mark + `"]}`, vault.ErrPolicy, "transit/decrypt/greentic"},
		"decrypt: no key":   {vault.KindDecrypt, 400, `{"errors":["encryption key not found"]}`, vault.ErrMount, "there is no such key"},
		"decrypt: no mount": {vault.KindDecrypt, 404, `{"errors":["no handler for route \"x\". route entry not found."]}`, vault.ErrMount, "nothing is mounted at transit"},
		"decrypt: 400":      {vault.KindDecrypt, 400, `{"errors":["` + mark + `"]}`, vault.ErrAnswer, "batch_results"},
		"decrypt: too few":  {vault.KindDecrypt, 200, `{"data":{"batch_results":[]}}`, vault.ErrAnswer, "batch_results"},
		"decrypt: no text":  {vault.KindDecrypt, 200, `{"data":{"batch_results":[{"plaintext":["` + mark + `"]}]}}`, vault.ErrAnswer, "plaintext that is text"},
		"decrypt: too many": {vault.KindDecrypt, 200, `{"data":{"batch_results":[{},{}]}}`, vault.ErrAnswer, "batch_results"},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, says(row.status, row.body))
			err := operations(t, connect(t, options(t, d)))[row.kind](deadline(t, 10*time.Second))
			require.ErrorIs(t, err, row.is)
			assert.ErrorContains(t, err, row.says)
			quiet(t, err)
			assert.Len(t, d.asked(), 1, "a refusal is not tried again")
		})
	}
}

func TestABatchWithOnePoisonedCiphertextIsRead(t *testing.T) {
	const results = `{"data":{"batch_results":[{"plaintext":"b25l"},{"plaintext":"","error":"` + mark + `"},{"plaintext":"%%"},{"plaintext":""}]}}`
	for _, status := range []int{200, 400} {
		c := connect(t, options(t, serve(t, says(status, results))))
		opened, err := c.Decrypt(deadline(t, time.Second), token(t), []string{"1", "2", "3", "4"})
		require.NoError(t, err)
		require.NoError(t, opened[0].Err)
		assert.Equal(t, "one", opened[0].Plaintext.RevealString())
		for _, poisoned := range opened[1:] {
			require.ErrorIs(t, poisoned.Err, vault.ErrCiphertext)
			quiet(t, poisoned.Err)
			assert.True(t, poisoned.Plaintext.IsEmpty())
		}
	}
}

func TestARequestIDThatIsNoneIsNotBelieved(t *testing.T) {
	for _, id := range []string{"", mark, "b78ca38f-7270-c647-fe2c-50dd93c6eddX", "b78ca38f77270-c647-fe2c-50dd93c6edda"} {
		c := connect(t, options(t, serve(t, says(200, strings.Replace(goodLogin, "b78ca38f-7270-c647-fe2c-50dd93c6edda", id, 1)))))
		answer, err := login(t, c)
		require.NoError(t, err)
		assert.Empty(t, answer.RequestID)
	}
}
