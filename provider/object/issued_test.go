package object_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/object"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// issued is what Vault answered on the raw path pki/a.
func issued(t *testing.T, text string) fetch.Found {
	t.Helper()
	pattern, err := rawpath.ParsePattern("pki/a")
	require.NoError(t, err)
	request, err := rawpath.Parse("pki/a", nil)
	require.NoError(t, err)
	pod := badge.Pod{Namespace: "gtc-prod--acme--sales", Name: "w", UID: "u", ServiceAccount: "gtc.acme.sales"}
	granted, err := badge.Naming{}.Admit(badge.Claim{
		Scope: secretref.MustParseScope("prod/acme/sales"), Pod: pod, Audience: "vault", Asks: []badge.Ask{{Path: request}},
		Paths: []badge.PathRule{{Pattern: pattern, Kind: badge.KindValue}},
		Token: badge.Claims{
			Subject: "system:serviceaccount:" + pod.Namespace + ":" + pod.ServiceAccount, Namespace: pod.Namespace, ServiceAccount: pod.ServiceAccount,
			PodName: pod.Name, PodUID: pod.UID, Audiences: []string{"vault"}, Expires: time.Now().Add(time.Hour),
		},
	}, time.Now())
	require.NoError(t, err)
	return fetch.Found{Path: granted[0].Path(), Issued: fetch.Issued{Issued: vault.Issued{Data: secret.NewString(text)}}}
}

const answered = `{"private_key":"k","ca_chain":["one","two"],"none":[],"mixed":["a",1],"ttl":3600,"null":null}`

func TestContentsOfRawPaths(t *testing.T) {
	for key, want := range map[string]string{
		"": answered, "private_key": "k", "ca_chain": "one\ntwo", "none": "", "mixed": `["a",1]`, "ttl": "3600",
	} {
		found := issued(t, answered)
		file, err := one(t, params.Object{File: "f", Key: key}, found)
		require.NoError(t, err)
		assert.Equal(t, want, file.Contents.RevealString(), "%q", key)
		file.Contents.Wipe()
		assert.Equal(t, answered, found.Issued.Data.RevealString(), "a file is a copy: what is held serves again")
	}
	for _, key := range []string{"absent", "null"} {
		_, err := one(t, params.Object{File: "f", Key: key}, issued(t, answered))
		require.ErrorIs(t, err, object.ErrNoKey)
		assert.ErrorContains(t, err, `objects[0].key: "pki/a": the secret has no such field: "`+key+`"`)
	}
}

func TestVersionsOfRawPaths(t *testing.T) {
	versions := object.NewVersions()
	version := func(change func(*params.Object, *fetch.Found)) string {
		o, found := params.Object{File: "f", Key: "private_key"}, issued(t, answered)
		change(&o, &found)
		files, err := object.Files(versions, []params.Object{o}, []fetch.Found{found})
		require.NoError(t, err)
		require.IsType(t, []mount.File{}, files)
		return files[0].Version
	}
	same := version(func(*params.Object, *fetch.Found) {})
	assert.Equal(t, same, version(func(*params.Object, *fetch.Found) {}))
	leased := func(id string) func(*params.Object, *fetch.Found) {
		return func(_ *params.Object, f *fetch.Found) { f.Issued.Lease = id }
	}
	assert.Equal(t, version(leased("pki/a/x")), version(leased("pki/a/x")))
	assert.NotEqual(t, version(leased("pki/a/x")), version(leased("pki/a/y")))
	assert.NotContains(t, version(leased("pki/a/x")), "pki/a/x")
	serial := version(func(_ *params.Object, f *fetch.Found) { f.Issued.Serial = "0a:1f" })
	assert.Regexp(t, `^0a:1f-[0-9a-f]{32}$`, serial)
	assert.NotEqual(t, serial, version(func(o *params.Object, f *fetch.Found) { f.Issued.Serial, o.Key = "0a:1f", "ttl" }))
}
