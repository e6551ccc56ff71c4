package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Mark is a place in an audit log: what was logged before it is not asked for. The zero value is the log's beginning.
type Mark struct{ offset int64 }

// AuditEntry is one line of Vault's audit log, less what Vault hashes anyway. Each request of a client makes two: a "request", written before
// it is carried out, and a "response", written before it is answered. Source: Vault's audit entry schema, version 1.21.
type AuditEntry struct {
	// Time at which Vault wrote it.
	Time time.Time
	// Type is "request" or "response".
	Type string
	// Operation is read, update, create, list, delete and so on.
	Operation string
	// Path as Vault has parsed it, without "v1/".
	Path string
	// MountType is the type of the mount that the path is in: kv, transit, kubernetes, jwt, system and so on.
	MountType string
	// Namespace is Vault's namespace, "root" for the one there is without Enterprise.
	Namespace string
	// RequestID joins a request and its response.
	RequestID string
	// RemoteAddress and RemotePort are the client's; one port is one connection.
	RemoteAddress string
	RemotePort    int
	// Headers are those that Vault was told to audit, by lower-case name.
	Headers map[string][]string
	// DisplayName, Policies, TokenType and Metadata are those of the token that was used, or of the one that a login's response gives out.
	DisplayName string
	Policies    []string
	TokenType   string
	Metadata    map[string]string
	// Error is Vault's own text for the failure, empty for success.
	Error string
}

// Login says whether it is a login with the kubernetes or the jwt method.
func (e AuditEntry) Login() bool {
	return strings.HasPrefix(e.Path, "auth/") && strings.HasSuffix(e.Path, "/login")
}

// Decrypt says whether it is a call of transit that opens data keys or other ciphertext.
func (e AuditEntry) Decrypt() bool {
	return e.MountType == "transit" && strings.Contains(e.Path, "/decrypt/")
}

// Read says whether it reads from a KV mount.
func (e AuditEntry) Read() bool { return e.MountType == "kv" && e.Operation == "read" }

// AuditCount counts requests at Vault by what they are.
type AuditCount struct{ Logins, Reads, Decrypts, Others int }

// Total is all of them.
func (c AuditCount) Total() int { return c.Logins + c.Reads + c.Decrypts + c.Others }

// CountAudit counts the requests among entries. Responses are passed over.
func CountAudit(entries []AuditEntry) AuditCount {
	var c AuditCount
	for _, e := range entries {
		switch {
		case e.Type != "request":
		case e.Login():
			c.Logins++
		case e.Decrypt():
			c.Decrypts++
		case e.Read():
			c.Reads++
		default:
			c.Others++
		}
	}
	return c
}

// vaultAuditLog is the file that Vault's file audit device writes.
func (l *Lab) vaultAuditLog() string { return l.path("logs", "vault-audit.log") }

// AuditMark is the end of Vault's audit log as it is now.
func (l *Lab) AuditMark() (Mark, error) { return markOf(l.vaultAuditLog()) }

// AuditSince is what Vault has logged since mark, in its order. Vault writes before it answers: what a client got an answer to is there.
func (l *Lab) AuditSince(mark Mark) ([]AuditEntry, error) {
	var entries []AuditEntry
	err := readLines(l.vaultAuditLog(), mark, func(line []byte) error {
		var text vaultAuditLine
		if err := json.Unmarshal(line, &text); err != nil {
			return err
		}
		entries = append(entries, text.entry())
		return nil
	})
	return entries, err
}

// vaultAuditLine is the part of Vault's line that AuditEntry shows.
type vaultAuditLine struct {
	Time  time.Time `json:"time"`
	Type  string    `json:"type"`
	Error string    `json:"error"`
	Auth  struct {
		DisplayName string            `json:"display_name"`
		Policies    []string          `json:"policies"`
		TokenType   string            `json:"token_type"`
		Metadata    map[string]string `json:"metadata"`
	} `json:"auth"`
	Request struct {
		ID            string              `json:"id"`
		Operation     string              `json:"operation"`
		Path          string              `json:"path"`
		MountType     string              `json:"mount_type"`
		RemoteAddress string              `json:"remote_address"`
		RemotePort    int                 `json:"remote_port"`
		Headers       map[string][]string `json:"headers"`
		Namespace     struct {
			ID   string `json:"id"`
			Path string `json:"path"`
		} `json:"namespace"`
	} `json:"request"`
}

func (v vaultAuditLine) entry() AuditEntry {
	namespace := v.Request.Namespace.Path
	if namespace == "" {
		namespace = v.Request.Namespace.ID
	}
	return AuditEntry{
		Time: v.Time, Type: v.Type, Operation: v.Request.Operation, Path: v.Request.Path, MountType: v.Request.MountType,
		Namespace: namespace, RequestID: v.Request.ID, RemoteAddress: v.Request.RemoteAddress, RemotePort: v.Request.RemotePort,
		Headers: v.Request.Headers, DisplayName: v.Auth.DisplayName, Policies: v.Auth.Policies, TokenType: v.Auth.TokenType, Metadata: v.Auth.Metadata,
		Error: v.Error,
	}
}

// APIAuditEntry is one request that the API server has answered. Source: audit.k8s.io/v1 Event, level Metadata.
type APIAuditEntry struct {
	// Time at which the request came.
	Time time.Time
	// User is the requester's name, as authenticated: lab-admin, system:node:n1, a ServiceAccount …
	User string
	// UserAgent is what the client calls itself.
	UserAgent string
	// Verb is get, list, watch, create and so on.
	Verb string
	// URI is the path and query.
	URI string
	// Status is the HTTP status of the answer.
	Status int
}

func (l *Lab) apiAuditLog() string { return l.path("logs", "apiserver-audit.log") }

// APIAuditMark is the end of the API server's audit log as it is now.
func (l *Lab) APIAuditMark() (Mark, error) { return markOf(l.apiAuditLog()) }

// APIAuditSince is what the API server has finished since mark. It logs a request just after it has answered: one that a client has its answer to
// may be missing for some milliseconds. A watch is there when it ends.
func (l *Lab) APIAuditSince(mark Mark) ([]APIAuditEntry, error) {
	var entries []APIAuditEntry
	err := readLines(l.apiAuditLog(), mark, func(line []byte) error {
		var text struct {
			Stage string    `json:"stage"`
			Verb  string    `json:"verb"`
			URI   string    `json:"requestURI"`
			Agent string    `json:"userAgent"`
			Time  time.Time `json:"requestReceivedTimestamp"`
			User  struct {
				Username string `json:"username"`
			} `json:"user"`
			Status struct {
				Code int `json:"code"`
			} `json:"responseStatus"`
		}
		if err := json.Unmarshal(line, &text); err != nil {
			return err
		}
		if text.Stage == "ResponseComplete" {
			entries = append(entries, APIAuditEntry{
				Time: text.Time, User: text.User.Username, UserAgent: text.Agent, Verb: text.Verb, URI: text.URI, Status: text.Status.Code,
			})
		}
		return nil
	})
	return entries, err
}

func markOf(log string) (Mark, error) {
	info, err := os.Stat(log)
	if err != nil {
		return Mark{}, fmt.Errorf("marking an audit log: %w", err)
	}
	return Mark{offset: info.Size()}, nil
}

// readLines reads a log's whole lines from mark on. A last line without an end is still being written, and no one has its answer yet.
func readLines(log string, mark Mark, line func([]byte) error) error {
	file, err := os.Open(log)
	if err != nil {
		return fmt.Errorf("reading an audit log: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(mark.offset, io.SeekStart); err != nil {
		return fmt.Errorf("reading an audit log: %w", err)
	}
	for reader := bufio.NewReader(file); ; {
		text, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading an audit log: %w", err)
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		if err := line(text); err != nil {
			return fmt.Errorf("reading an audit log: %w", err)
		}
	}
}
