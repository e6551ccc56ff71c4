package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

// Read asks KV v2 for what is stored under key, below the connection's prefix; a version of 0 is the newest. The answer is the JSON of
// the response's "data": {"data":{…},"metadata":{…}}.
// See https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version.
func (c *Client) Read(ctx context.Context, token Token, key string, version int) (secret.Value, error) {
	path := c.options.KVMount + "/data/" + c.options.KVPrefix + "/" + key
	what := fmt.Sprintf("reading %q", path)
	if !cleanPath(path) {
		return secret.Value{}, fmt.Errorf("%s: %w: not a path of plain segments", what, ErrOptions)
	}
	r := request{kind: KindRead, path: path, pod: token.pod, token: token.value}
	if version > 0 {
		r.query = url.Values{"version": {strconv.Itoa(version)}}
		what += fmt.Sprintf(" version %d", version)
	}
	answer, err := c.do(ctx, r)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case answer.status == http.StatusForbidden:
		return secret.Value{}, forbidden(what, answer)
	case noRoute(answer):
		return secret.Value{}, fmt.Errorf("%s: %w (404): nothing is mounted at %s; run `gtc-deployer vault apply`", what, ErrMount, c.options.KVMount)
	case answer.status == http.StatusNotFound:
		return secret.Value{}, notFound(what, answer)
	}
	envelope, err := open(what, answer)
	if err != nil {
		return secret.Value{}, err
	}
	if !bytes.HasPrefix(envelope.Raw(fieldData), []byte("{")) {
		return secret.Value{}, lacks(what, "data")
	}
	return secret.New(envelope.Raw(fieldData)), nil
}

// forbidden is a 403: the policy's, or that of a token which Vault does not know. Vault 1.21 says the latter beside "permission denied".
func forbidden(what string, answer reply) error {
	if says(answer.body, "invalid token") {
		return fmt.Errorf("%s: %w (403): %w: it was revoked or has ended; the next try logs in again", what, ErrPolicy, ErrEnded)
	}
	return fmt.Errorf("%s: %w (403): run `gtc-deployer vault apply`", what, ErrPolicy)
}

// notFound is KV v2's 404: with data if the version was deleted, and without if there never was one. A 404 that is not of Vault's API
// is somebody else's.
func notFound(what string, answer reply) error {
	envelope, err := decode(what, answer.body)
	if err != nil {
		return err
	}
	var texts []string
	switch hasData := envelope.Has(fieldData); {
	case !hasData && envelope.Read(fieldErrors, &texts) != nil:
		return unexpected(what, answer)
	case !hasData:
		return fmt.Errorf("%s: %w (404): put it there with `gtc-deployer secrets put`", what, ErrNotFound)
	default:
		return fmt.Errorf("%s: %w (404): that version was deleted; undelete it or put a new one there with `gtc-deployer secrets put`", what, ErrNotFound)
	}
}

// Decrypted is one ciphertext's outcome.
type Decrypted struct {
	Plaintext secret.Value
	Err       error // ErrCiphertext, or nil
}

// Decrypt asks transit to decrypt all ciphertexts in one request. The outcomes are in their order; the error is that of the request.
// See https://developer.hashicorp.com/vault/api-docs/secret/transit#decrypt-data.
func (c *Client) Decrypt(ctx context.Context, token Token, ciphertexts []string) ([]Decrypted, error) {
	mount := c.options.TransitMount
	path := mount + "/decrypt/" + c.options.TransitKey
	what := fmt.Sprintf("decrypting with %q", path)
	type item struct {
		Ciphertext string `json:"ciphertext"`
	}
	input := make([]item, len(ciphertexts))
	for i, text := range ciphertexts {
		input[i].Ciphertext = text
	}
	body, err := json.Marshal(struct {
		Input []item `json:"batch_input"`
	}{input})
	if err != nil {
		return nil, fmt.Errorf("%s: encoding the request: %w", what, err)
	}
	answer, err := c.do(ctx, request{kind: KindDecrypt, path: path, body: body, pod: token.pod, token: token.value})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case answer.status == http.StatusForbidden:
		return nil, forbidden(what, answer)
	case noRoute(answer):
		return nil, fmt.Errorf("%s: %w (404): nothing is mounted at %s; run `gtc-deployer vault apply`", what, ErrMount, mount)
	case answer.status == http.StatusBadRequest && says(answer.body, "encryption key not found"):
		return nil, fmt.Errorf("%s: %w (400): there is no such key; run `gtc-deployer vault apply`", what, ErrMount)
	}
	return decrypted(what, answer, len(ciphertexts))
}

// decrypted reads a batch's outcomes. Vault answers 400 as soon as one of them is an error, with the same data as in a 200.
func decrypted(what string, answer reply, want int) ([]Decrypted, error) {
	if answer.status != http.StatusOK && answer.status != http.StatusBadRequest {
		return nil, unexpected(what, answer)
	}
	envelope, err := decode(what, answer.body)
	if err != nil {
		return nil, err
	}
	var results []exactjson.Object
	data, err := envelope.Object(fieldData)
	if err != nil || data.Read("batch_results", &results) != nil || len(results) != want {
		return nil, lacks(what, "data.batch_results for all that was asked")
	}
	outcomes := make([]Decrypted, want)
	for i, result := range results {
		if outcomes[i], err = outcome(what, result); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

func outcome(what string, result exactjson.Object) (Decrypted, error) {
	encoded, err := optional(result, "plaintext")
	if err != nil {
		return Decrypted{}, lacks(what, "data.batch_results[].plaintext that is text")
	}
	failed := result.Has("error") && string(result.Raw("error")) != `""`
	if plaintext, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(plaintext) > 0 && !failed {
		return Decrypted{Plaintext: secret.New(plaintext)}, nil
	}
	return Decrypted{Err: fmt.Errorf("%s: %w", what, ErrCiphertext)}, nil
}
