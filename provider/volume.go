package provider

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
	"github.com/greenticai/gtc-csi-provider/provider/fetch"
	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/mount"
	"github.com/greenticai/gtc-csi-provider/provider/object"
	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// volume is an admitted request with its way to Vault: what a session asks where its memory does not serve.
type volume struct {
	request    mount.Request
	connection *connection
	proof      secret.Value
	granted    []badge.Granted
	issued     time.Time // the pod's token
	versions   object.Versions
	leases     *lease.Store
	silence    time.Duration
}

// visit is the volume as the sessions see it.
func (c *configured) visit(v volume) (session.Visit, error) {
	interval, err := c.refresh.For(v.request.Params.Refresh)
	if err != nil {
		return session.Visit{}, err
	}
	made, interval, err := c.made(v, interval)
	if err != nil {
		return session.Visit{}, err
	}
	return session.Visit{
		Pod: v.request.Pod, Request: c.identify(v), Proof: v.proof, Issued: v.issued, Vault: v, Breaker: &v.connection.breaker,
		Policy: session.Policy{
			Interval: interval, MaxStale: c.refresh.MaxStale, Silence: c.refresh.PodSilence, RemoveRefused: c.refresh.OnDenied == config.Remove,
		},
		Made: made, Scope: v.request.Params.Scope.String(), Connection: v.connection.Name, Objects: len(v.request.Params.Objects),
	}, nil
}

// identify is what the volume asks for and of whom. Two requests that differ in anything have different ones, also if only the
// configuration has changed since.
func (c *configured) identify(v volume) session.Request {
	p, hash := v.request.Params, sha256.New()
	_, _ = fmt.Fprintf(hash, "%d %q %q %d\n", c.generation, v.connection.Name, p.Scope, p.Refresh)
	for _, o := range p.Objects {
		_, _ = fmt.Fprintf(hash, "%q %q %q %q %o %q %t %t\n", o.Ref, o.Raw.Path(), o.Raw.Args(), o.File, o.Mode, o.Key, o.Optional, o.Fallback)
	}
	return session.Request(hash.Sum(nil))
}

// Login shows Vault the pod's token, and is the second wall: what Vault says about whom it let in must be about this pod.
func (v volume) Login(ctx context.Context) (vault.Login, error) {
	role, pod := badge.Role(v.request.Params.Scope), v.request.Pod
	login, err := v.connection.client.Login(ctx, vault.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}, role, v.proof)
	if err != nil {
		return vault.Login{}, err
	}
	if err := confirm(login, pod, role); err != nil {
		v.Logout(ctx, login.Token)
		return vault.Login{RequestID: login.RequestID}, err
	}
	return login, nil
}

// Logout gives back a token that Vault would keep, unless leases hang on it. The answer to the driver does not depend on it, and it must be possible after the
// mount's own time has ended.
func (v volume) Logout(ctx context.Context, token vault.Token) {
	if v.leases.Owns(v.holder(), token) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestLogout)
	defer cancel()
	_ = v.connection.client.Revoke(ctx, token) // counted and logged as a request of its own; what stays ends by its age
}

// Read makes the driver's answer of what Vault holds.
func (v volume) Read(ctx context.Context, token vault.Token, without bool) (secret.Value, error) {
	objects := v.request.Params.Objects
	if without {
		objects = optional(objects)
	}
	wishes := wishes(objects, v.granted, without)
	found, err := fetch.All(ctx, v.connection.client, token, wishes)
	if err != nil {
		return secret.Value{}, err
	}
	if !hasHeld(v.granted) {
		return v.encode(objects, found)
	}
	// What is made for the pod comes last: where something else is missing nothing is made.
	var bytes secret.Value
	err = v.leases.Obtain(ctx, v.loan(), token, wishes, func(made []fetch.Found) (err error) {
		for i := range made {
			if !made[i].Path.IsZero() {
				found[i] = made[i]
			}
		}
		bytes, err = v.encode(objects, found)
		return err
	})
	return bytes, err
}

// encode makes the driver's answer of what was found for objects.
func (v volume) encode(objects []params.Object, found []fetch.Found) (secret.Value, error) {
	files, err := object.Files(v.versions, objects, found)
	if err != nil {
		return secret.Value{}, err
	}
	defer func() {
		for _, file := range files {
			file.Contents.Wipe() // the answer has a copy
		}
	}()
	response, err := mount.Encode(files)
	if err != nil {
		return secret.Value{}, err
	}
	return mount.Marshal(response)
}

// optional are the same objects, of which none has to be there.
func optional(objects []params.Object) []params.Object {
	relaxed := make([]params.Object, len(objects))
	for i, o := range objects {
		relaxed[i] = o
		relaxed[i].Optional = true
	}
	return relaxed
}

func wishes(objects []params.Object, granted []badge.Granted, without bool) []fetch.Wish {
	wishes := make([]fetch.Wish, len(granted))
	for i, o := range objects {
		wishes[i] = fetch.Wish{Granted: granted[i], Fallback: o.Fallback, Optional: o.Optional, Refusable: without}
	}
	return wishes
}
