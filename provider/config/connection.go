package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/params"
)

func (p *parser) vault(path string, doc vaultDocument) Vault {
	v := Vault{
		Name: doc.Name, Namespace: doc.Namespace, Audience: doc.Audience,
		AuthMethod: Method(or(doc.AuthMethod, string(Kubernetes))),
		KVMount:    or(doc.KVMount, "secret"), KVPrefix: or(doc.KVPrefix, "greentic"),
		TransitMount: or(doc.TransitMount, "transit"), TransitKey: or(doc.TransitKey, "greentic"),
	}
	v.AuthMount = or(doc.AuthMount, string(v.AuthMethod))
	if err := params.CheckVault(doc.Name); err != nil {
		p.fault(path+".name", "%w", err)
	}
	if v.AuthMethod != Kubernetes && v.AuthMethod != JWT {
		p.fault(path+".authMethod", "%q is neither %q nor %q", doc.AuthMethod, Kubernetes, JWT)
	}
	p.audience(path+".audience", doc.Audience)
	p.paths(path, v)
	v.Addresses = p.addresses(path+".addresses", doc.Addresses)
	v.RootCAs = p.authorities(path, doc)
	v.Scopes = p.scopes(path+".scopes", doc.Scopes)
	return v
}

func or(given, preset string) string {
	if given == "" {
		return preset
	}
	return given
}

func (p *parser) audience(path, audience string) {
	switch {
	case audience == "":
		p.fault(path, "it is missing; name the audience that the CSIDriver object's tokenRequests has for this Vault")
	case audience == "api", strings.Contains(audience, "kubernetes.default"):
		p.fault(path, "%q is the API server's own: Vault could act as the pod with such a token; choose another, such as vault", audience)
	case strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		p.fault(path, "%q holds white space or a control character", audience)
	}
}

func (p *parser) paths(path string, v Vault) {
	for _, field := range []struct{ name, value string }{
		{"namespace", v.Namespace}, {"authMount", v.AuthMount}, {"kvMount", v.KVMount}, {"kvPrefix", v.KVPrefix},
		{"transitMount", v.TransitMount}, {"transitKey", v.TransitKey},
	} {
		if field.value != "" && !plainPath(field.value) {
			p.fault(path+"."+field.name, "%q is no path of segments of A-Z, a-z, 0-9, '.', '_' and '-', without slashes at its ends", field.value)
		}
	}
}

func plainPath(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		if strings.ContainsFunc(segment, func(r rune) bool { return !strings.ContainsRune(letters, r) }) {
			return false
		}
	}
	return true
}

func (p *parser) addresses(path string, texts []string) []*url.URL {
	if len(texts) == 0 {
		p.fault(path, "there is none; name the Vault, such as https://vault.vault.svc:8200")
	}
	addresses := make([]*url.URL, 0, len(texts))
	for i, text := range texts {
		address, err := parseAddress(text)
		if err != nil {
			p.fault(fmt.Sprintf("%s[%d]", path, i), "%w", err)
			continue
		}
		addresses = append(addresses, address)
	}
	return addresses
}

func parseAddress(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL; write it as https://vault.vault.svc:8200")
	case address.User != nil:
		return nil, errors.New("a user or password does not belong into an address")
	case address.Scheme != "https" && address.Scheme != "http":
		return nil, fmt.Errorf("%q does not start with https:// or http://", text)
	case address.Hostname() == "":
		return nil, fmt.Errorf("%q names no host", text)
	case address.RawQuery != "" || address.ForceQuery || address.Fragment != "":
		return nil, fmt.Errorf("%q has a query or a fragment", text)
	}
	address.Path = strings.TrimRight(address.Path, "/")
	if address.Path != "" && !plainPath(address.Path[1:]) {
		return nil, fmt.Errorf("%q has a path of other than plain segments", text)
	}
	return address, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (p *parser) authorities(path string, doc vaultDocument) *x509.CertPool {
	text := []byte(doc.CACert)
	path += ".caCert"
	switch {
	case doc.CACert != "" && doc.CACertFile != "":
		p.fault(path, "caCertFile is given too; keep one of the two")
		return nil
	case doc.CACertFile != "":
		path += "File"
		var err error
		if text, err = p.readFile(doc.CACertFile); err != nil {
			p.fault(path, "%w", err)
			return nil
		}
	case doc.CACert == "":
		return nil
	}
	pool, err := parseAuthorities(text)
	if err != nil {
		p.fault(path, "%w", err)
	}
	return pool
}

// parseAuthorities is stricter than x509.CertPool, which passes over what it does not understand.
func parseAuthorities(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	count := 0
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		count++
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %d is not a certificate", count)
		}
		pool.AddCert(certificate)
		text = rest
	}
	if count == 0 || len(bytes.TrimSpace(text)) > 0 {
		return nil, errors.New("it is not a list of PEM certificates (-----BEGIN CERTIFICATE-----)")
	}
	return pool, nil
}

func (p *parser) scopes(path string, texts []string) []badge.Pattern {
	if texts == nil {
		texts = []string{"*/*/*"}
	}
	if len(texts) == 0 {
		p.fault(path, `the list is empty, so the connection would serve nobody; write "*/*/*" for all`)
	}
	patterns := make([]badge.Pattern, 0, len(texts))
	for i, text := range texts {
		pattern, err := badge.ParsePattern(text)
		if err != nil {
			p.fault(fmt.Sprintf("%s[%d]", path, i), "%w", err)
		}
		patterns = append(patterns, pattern)
	}
	return patterns
}
