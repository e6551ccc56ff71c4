package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
)

const canary = "canary-7f3a"

// leaked reports the canary in every dress that fmt and the encoders could put it into.
func leaked(text string) bool {
	lower := strings.ToLower(text)
	for _, dress := range []string{
		canary,
		fmt.Sprintf("%x", canary), fmt.Sprintf("% x", canary), fmt.Sprintf("%#x", canary),
		strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]"), " ", ","),
		strings.Trim(fmt.Sprintf("%#v", []byte(canary)), "[]byte{}"),
		strings.Trim(fmt.Sprintf("%o", []byte(canary)), "[]"), strings.Trim(fmt.Sprintf("%b", []byte(canary)), "[]"),
		"y2fuyxj5ltdmm2", "nhbmfyes03zjnh", "jyw5hcnktn2yzy", // base64 in its three alignments, in lower case
	} {
		if strings.Contains(lower, strings.ToLower(dress)) {
			return true
		}
	}
	return false
}

func TestLeakedFindsAPlantedDecoy(t *testing.T) {
	for _, format := range []string{"%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%v", "%#v", "%o", "%b"} {
		text := fmt.Sprintf(format, []byte(canary))
		assert.True(t, leaked(text), "%s: %s", format, text)
	}
	for prefix := range 3 {
		text, err := json.Marshal([]byte("xyz"[:prefix] + canary + "tail"))
		require.NoError(t, err)
		assert.True(t, leaked(string(text)), "%s", text)
	}
	assert.False(t, leaked("nothing"))
}

// Holders of every shape that a value is found in.
type (
	exported   struct{ Token secret.Value }
	unexported struct{ token secret.Value }
	pointer    struct{ token *secret.Value }
	deep       struct {
		Inner  exported
		inner  unexported
		List   []secret.Value
		list   []secret.Value
		Map    map[string]secret.Value
		byKey  map[secret.Value]string
		Any    any
		any    any
		Array  [1]secret.Value
		Nested *deep
	}
)

func holders() map[string]any {
	v := secret.NewString(canary)
	whole := deep{
		Inner: exported{v}, inner: unexported{v}, List: []secret.Value{v}, list: []secret.Value{v},
		Map: map[string]secret.Value{"k": v}, byKey: map[secret.Value]string{v: "k"}, Any: v, any: v, Array: [1]secret.Value{v},
	}
	nested := whole
	whole.Nested = &nested
	return map[string]any{
		"value": v, "pointer to it": &v, "exported": exported{v}, "unexported": unexported{v}, "pointer in it": pointer{&v},
		"pointer to exported": &exported{v}, "pointer to unexported": &unexported{v}, "slice": []secret.Value{v},
		"slice of pointers": []*secret.Value{&v}, "map": map[string]secret.Value{"k": v}, "map of keys": map[secret.Value]int{v: 1},
		"any": []any{v, &v, unexported{v}}, "deep": whole, "pointer to deep": &whole, "array": [2]secret.Value{v, v},
	}
}

func TestEveryVerbAndFlag(t *testing.T) {
	flags := []string{"", "+", "-", "#", " ", "0", "+#", "#0", "+ -#0", "5", ".2", "10.3", "-30"}
	for name, holder := range holders() {
		for verb := rune('!'); verb <= '~'; verb++ {
			if verb == '%' || verb == '*' || strings.ContainsRune("+-# 0123456789.[", verb) {
				continue
			}
			for _, flag := range flags {
				format := "%" + flag + string(verb)
				text := fmt.Sprintf(format, holder)
				require.False(t, leaked(text), "%s of %s: %s", format, name, text)
				if (name == "value" || name == "pointer to it") && !strings.ContainsRune("Tpw", verb) { // those ask no methods
					require.Equal(t, secret.Redacted, text, "%s of %s", format, name)
				}
			}
		}
		for _, text := range []string{fmt.Sprint(holder), fmt.Sprintln(holder), fmt.Sprint("a", holder), string(fmt.Append(nil, holder))} {
			require.False(t, leaked(text), "%s: %s", name, text)
		}
	}
}

func TestEncoders(t *testing.T) {
	for name, holder := range holders() {
		for encoder, encode := range map[string]func() ([]byte, error){
			"json":        func() ([]byte, error) { return json.Marshal(holder) },
			"json indent": func() ([]byte, error) { return json.MarshalIndent(holder, "", " ") },
			"yaml":        func() ([]byte, error) { return yaml.Marshal(holder) },
			"xml":         func() ([]byte, error) { return xml.Marshal(holder) },
			"gob": func() ([]byte, error) {
				var out bytes.Buffer
				err := gob.NewEncoder(&out).Encode(holder)
				return out.Bytes(), err
			},
			"template": func() ([]byte, error) {
				var out bytes.Buffer
				err := template.Must(template.New("t").Parse("{{.}} {{printf `%s %x %#v` . . .}}")).Execute(&out, holder)
				return out.Bytes(), err
			},
		} {
			text, err := encode()
			if err != nil { // an encoder that cannot write it at all does not leak either, unless its error does
				text = append(text, err.Error()...)
			}
			require.False(t, leaked(string(text)), "%s of %s: %s", encoder, name, text)
		}
	}
	text, err := json.Marshal(exported{secret.NewString(canary)})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Token":"[redacted]"}`, string(text))
	text, err = yaml.Marshal(exported{secret.NewString(canary)})
	require.NoError(t, err)
	assert.YAMLEq(t, `token: "[redacted]"`, string(text))
}

func TestLogs(t *testing.T) {
	for name, holder := range holders() {
		var out bytes.Buffer
		options := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, options), slog.NewJSONHandler(&out, options)} {
			logger := slog.New(handler).With("with", holder).WithGroup("g")
			logger.Debug("message", "value", holder, slog.Any("any", holder), slog.Group("group", "in", holder))
			logger.Error("message", "error", fmt.Errorf("failing with %v: %w", holder, errors.New("cause")))
		}
		log.New(&out, "", 0).Println("value", holder)
		require.False(t, leaked(out.String()), "%s: %s", name, out.String())
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "token", secret.NewString(canary))
	assert.Contains(t, out.String(), "token=[redacted]")
}

func TestErrors(t *testing.T) {
	v := secret.NewString(canary)
	wrapped := fmt.Errorf("login with %s and %q: %w", v, v, errors.New("refused"))
	for _, err := range []error{
		wrapped, errors.Join(wrapped, fmt.Errorf("%#v", unexported{v})), fmt.Errorf("%w, %w", wrapped, holding{v}), holding{v}, &holding{v},
	} {
		for _, format := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x"} {
			assert.False(t, leaked(fmt.Sprintf(format, err)), format)
		}
	}
	assert.EqualError(t, wrapped, `login with [redacted] and [redacted]: refused`)
}

type holding struct{ token secret.Value }

func (h holding) Error() string { return "holding " + h.token.String() }

// TestPanics starts this very test as a program of its own that panics, and searches all that it printed.
func TestPanics(t *testing.T) {
	const variable = "PANIC_WITH"
	cases := holders()
	cases["error"] = holding{secret.NewString(canary)}
	cases["pointer to error"] = &holding{secret.NewString(canary)}
	cases["wrapped error"] = fmt.Errorf("wrapping: %w", holding{secret.NewString(canary)})
	cases["joined errors"] = errors.Join(holding{secret.NewString(canary)}, errors.New("other"))
	if name := os.Getenv(variable); name != "" {
		panicDeep(cases[name], secret.NewString(canary))
	}
	for name := range cases {
		command := exec.Command(os.Args[0], "-test.run=^TestPanics$")
		command.Env = append(os.Environ(), variable+"="+name, "GOTRACEBACK=system")
		out, err := command.CombinedOutput()
		require.Error(t, err, name)
		require.Contains(t, string(out), "panic: ", name)
		require.Contains(t, string(out), "panicDeep", "the stack is there")
		require.False(t, leaked(string(out)), "%s: %s", name, out)
	}
}

// panicDeep has the value among its arguments, as a stack trace shows them.
//
//go:noinline
func panicDeep(with any, v secret.Value) { defer func() { _ = v.Len() }(); panic(with) }

func TestValue(t *testing.T) {
	held := []byte(canary)
	v := secret.New(held)
	assert.Equal(t, canary, v.RevealString())
	assert.Equal(t, len(canary), v.Len())
	assert.Same(t, &held[0], &v.Reveal()[0], "New keeps the bytes that it is given")
	text := canary
	assert.Equal(t, []byte(canary), secret.NewString(text).Reveal())
	assert.False(t, v.IsEmpty())

	var zero secret.Value
	assert.True(t, zero.IsEmpty())
	assert.Nil(t, zero.Reveal())
	assert.Equal(t, secret.Redacted, fmt.Sprint(zero))
	zero.Wipe()

	assert.True(t, v.Equal(secret.NewString(canary)))
	assert.True(t, zero.Equal(secret.NewString("")))
	assert.False(t, v.Equal(zero))
	assert.False(t, v.Equal(secret.NewString(canary+"x")))
	assert.False(t, v.Equal(secret.NewString("canary-7f3b")))
}

func TestWipe(t *testing.T) {
	held := []byte(canary)
	v := secret.New(held)
	other := v
	v.Wipe()
	assert.Equal(t, make([]byte, len(canary)), held, "the bytes are gone")
	assert.True(t, other.IsEmpty(), "every copy is empty")
	other.Wipe()
}
