package badge_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

const (
	validHeader = `{"alg":"RS256","kid":"k"}`
	validBody   = `{"aud":["vault"],"exp":1780315200,"iat":1780311600,"iss":"https://kubernetes.default.svc","jti":"j",` +
		`"kubernetes.io":{"namespace":"ns-canary","node":{"name":"n","uid":"nu"},"pod":{"name":"pod-canary","uid":"uid-canary"},` +
		`"serviceaccount":{"name":"sa-canary","uid":"su"}},"nbf":1780311600,"sub":"system:serviceaccount:ns-canary:sa-canary"}`
)

func token(header, body, signature string) secret.Value {
	encode := base64.RawURLEncoding.EncodeToString
	return secret.NewString(encode([]byte(header)) + "." + encode([]byte(body)) + "." + encode([]byte(signature)))
}

func TestParseClaims(t *testing.T) {
	want := badge.Claims{
		Subject: "system:serviceaccount:ns-canary:sa-canary", Namespace: "ns-canary", ServiceAccount: "sa-canary",
		PodName: "pod-canary", PodUID: "uid-canary", Audiences: []string{"vault"}, Expires: time.Unix(1780315200, 0),
		Issued: time.Unix(1780311600, 0),
	}
	got, err := badge.ParseClaims(token(validHeader, validBody, "signature"))
	require.NoError(t, err)
	assert.Equal(t, want, got)

	got, err = badge.ParseClaims(token(validHeader, strings.Replace(validBody, `["vault"]`, `"vault"`, 1), "signature"))
	require.NoError(t, err)
	assert.Equal(t, want, got, "one audience may stand alone (RFC 7519)")

	got, err = badge.ParseClaims(token(validHeader, strings.Replace(validBody, `["vault"]`, `["a","vault"]`, 1), "signature"))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "vault"}, got.Audiences)

	got, err = badge.ParseClaims(token(validHeader, strings.Replace(validBody, `1780315200`, `1780315200.9`, 1), "signature"))
	require.NoError(t, err)
	assert.Equal(t, want.Expires, got.Expires, "a fraction of a second is cut off, never added")

	got, err = badge.ParseClaims(token(validHeader, strings.Replace(validBody, `"iat":1780311600,`, ``, 1), "signature"))
	require.NoError(t, err)
	assert.Zero(t, got.Issued, "a token need not say since when it is")
}

// Each row is the valid token with one mutation of its text.
func TestParseClaimsRefuses(t *testing.T) {
	for name, row := range map[string]struct{ old, new, text string }{
		"sub in another case":        {`"sub":`, `"Sub":`, "sub: is missing"},
		"sub twice":                  {`"sub":`, `"sub":"x","sub":`, "stands twice"},
		"sub twice, once escaped":    {`"sub":`, `"\u0073ub":"x","sub":`, "stands twice"},
		"sub null":                   {`"sub":"system`, `"sub":null,"x":"system`, "sub: is missing"},
		"sub empty":                  {`"sub":"system:serviceaccount:ns-canary:sa-canary"`, `"sub":""`, "sub: is empty"},
		"sub a list":                 {`"sub":"system:serviceaccount:ns-canary:sa-canary"`, `"sub":["x"]`, "sub: is of another type"},
		"no kubernetes.io":           {`"kubernetes.io":`, `"kubernetes":`, "kubernetes.io: is missing"},
		"Kubernetes.io":              {`"kubernetes.io":`, `"Kubernetes.io":`, "kubernetes.io: is missing"},
		"namespace in another case":  {`"namespace":`, `"Namespace":`, "kubernetes.io.namespace: is missing"},
		"namespace twice":            {`"namespace":`, `"namespace":"x","namespace":`, "stands twice"},
		"bound to no pod":            {`"pod":`, `"secret":`, "kubernetes.io.pod: is missing; it is bound to no pod"},
		"pod a text":                 {`"pod":{"name":"pod-canary","uid":"uid-canary"}`, `"pod":"x"`, "kubernetes.io.pod: is of another type"},
		"pod without a UID":          {`"uid":"uid-canary"`, `"UID":"uid-canary"`, "kubernetes.io.pod.uid: is missing"},
		"pod with an empty UID":      {`"uid":"uid-canary"`, `"uid":""`, "kubernetes.io.pod.uid: is empty"},
		"pod with two UIDs":          {`"uid":"uid-canary"`, `"uid":"x","uid":"uid-canary"`, "stands twice"},
		"pod without a name":         {`"name":"pod-canary",`, ``, "kubernetes.io.pod.name: is missing"},
		"no ServiceAccount":          {`"serviceaccount":{`, `"serviceAccount":{`, "kubernetes.io.serviceaccount: is missing"},
		"ServiceAccount unnamed":     {`"name":"sa-canary"`, `"name":""`, "kubernetes.io.serviceaccount.name: is empty"},
		"no audience":                {`"aud":["vault"],`, ``, "aud: is missing"},
		"audience in another case":   {`"aud":`, `"AUD":`, "aud: is missing"},
		"an audience that is null":   {`["vault"]`, `["vault",null]`, "aud: is of another type"},
		"an audience of numbers":     {`["vault"]`, `[1]`, "aud: is of another type"},
		"an audience that is a map":  {`["vault"]`, `{"vault":true}`, "aud: is of another type"},
		"no end":                     {`"exp":1780315200,`, ``, "exp: is missing"},
		"an end that is text":        {`"exp":1780315200`, `"exp":"1780315200"`, "exp: is of another type"},
		"an end before all time":     {`"exp":1780315200`, `"exp":0`, "exp: no time"},
		"an end far below":           {`"exp":1780315200`, `"exp":-1e300`, "exp: no time"},
		"an end beyond all time":     {`"exp":1780315200`, `"exp":1e300`, "exp: no time"},
		"an end that is no number":   {`"exp":1780315200`, `"exp":1e999`, "exp: is of another type"},
		"a beginning that is text":   {`"iat":1780311600`, `"iat":"x"`, "iat: is of another type"},
		"two ends":                   {`"exp":1780315200`, `"exp":1,"exp":1780315200`, "stands twice"},
		"something after the claims": {`sa-canary"}`, `sa-canary"} {}`, "not one JSON object"},
		"a list of claims":           {`{"aud"`, `[{"aud"`, "not one JSON object"},
		"claims cut short":           {`"sub":"system:serviceaccount:ns-canary:sa-canary"}`, `"sub":`, "not one JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(validBody, row.old, row.new, 1)
			require.NotEqual(t, validBody, body)
			refused(t, token(validHeader, body, "signature"), row.text)
		})
	}
}

func TestParseClaimsRefusesTheFrame(t *testing.T) {
	valid := token(validHeader, validBody, "signature").RevealString()
	for name, row := range map[string]struct{ token, text string }{
		"empty":                        {"", "this has 1"},
		"two parts":                    {strings.Join(strings.Split(valid, ".")[:2], "."), "this has 2"},
		"four parts":                   {valid + ".x", "this has 4"},
		"no signature":                 {valid[:strings.LastIndex(valid, ".")+1], "it is not signed"},
		"alg none":                     {token(`{"alg":"none"}`, validBody, "s").RevealString(), "it is not signed"},
		"alg NONE":                     {token(`{"alg":"NoNe"}`, validBody, "s").RevealString(), "it is not signed"},
		"no alg":                       {token(`{"Alg":"RS256"}`, validBody, "s").RevealString(), "it is not signed"},
		"alg a number":                 {token(`{"alg":1}`, validBody, "s").RevealString(), "it is not signed"},
		"two algs":                     {token(`{"alg":"none","alg":"RS256"}`, validBody, "s").RevealString(), "header: a field stands twice"},
		"a header that is no object":   {token(`"x"`, validBody, "s").RevealString(), "header: not one JSON object"},
		"a header that is not base64":  {"!" + valid, "header: not base64url"},
		"claims with padding":          {strings.Replace(valid, ".", "=.", 1), "header: not base64url"},
		"a signature with a new line":  {valid + "\n", "signature: not base64url"},
		"a header with a new line":     {valid[:4] + "\r\n" + valid[4:], "header: not base64url"},
		"standard base64":              {strings.Replace(valid, ".", "+/.", 1), "header: not base64url"},
		"loose bits at the end":        {valid[:strings.LastIndex(valid, ".")+1] + "ab9", "signature: not base64url"},
		"more than a token ever is":    {valid + strings.Repeat("A", badge.MaxToken), "longer than"},
		"a nest as deep as it is long": {token(validHeader, strings.Repeat("[", 9000), "s").RevealString(), "not one JSON object"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, secret.NewString(row.token), row.text) })
	}
}

func refused(t *testing.T, token secret.Value, text string) {
	t.Helper()
	claims, err := badge.ParseClaims(token)
	require.ErrorIs(t, err, badge.ErrToken)
	assert.ErrorContains(t, err, text)
	assert.Equal(t, badge.Claims{}, claims)
	assert.NotContains(t, err.Error(), "canary", "nothing of the token gets into the error")
}

func FuzzParseClaims(f *testing.F) {
	f.Add(validHeader, validBody, "signature")
	f.Add(`{"alg":"none"}`, validBody, "")
	f.Add(validHeader, `{"aud":"x","Sub":"y","exp":1}`, "s")
	f.Add(validHeader, strings.Replace(validBody, `"sub"`, `"sub":"a","sub"`, 1), "s")
	f.Fuzz(func(t *testing.T, header, body, signature string) {
		claims, err := badge.ParseClaims(token(header, body, signature))
		if err != nil {
			require.ErrorIs(t, err, badge.ErrToken)
			return
		}
		// Another reader, which keeps names as they are, has seen the same.
		var other map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &other))
		kubernetes, _ := other["kubernetes.io"].(map[string]any)
		pod, _ := kubernetes["pod"].(map[string]any)
		account, _ := kubernetes["serviceaccount"].(map[string]any)
		assert.Equal(t, other["sub"], claims.Subject)
		assert.Equal(t, kubernetes["namespace"], claims.Namespace)
		assert.Equal(t, pod["name"], claims.PodName)
		assert.Equal(t, pod["uid"], claims.PodUID)
		assert.Equal(t, account["name"], claims.ServiceAccount)
		assert.NotEmpty(t, claims.PodUID)
		assert.NotEmpty(t, signature)
	})
}
