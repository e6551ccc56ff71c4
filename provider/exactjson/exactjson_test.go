package exactjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
)

func TestParse(t *testing.T) {
	object, err := exactjson.Parse([]byte(` {"a":"x","A":2,"n":null,"o":{"b":true},"l":[{"c":1},{"c":2}],"":[]} `))
	require.NoError(t, err)
	text, err := object.Text("a")
	require.NoError(t, err)
	assert.Equal(t, "x", text)
	var number int
	require.NoError(t, object.Read("A", &number))
	assert.Equal(t, 2, number, "names differ by case")
	inner, err := object.Object("o")
	require.NoError(t, err)
	var yes bool
	require.NoError(t, inner.Read("b", &yes))
	assert.True(t, yes)
	var list []exactjson.Object
	require.NoError(t, object.Read("l", &list))
	assert.Len(t, list, 2)
	assert.True(t, object.Has(""))
	assert.False(t, object.Has("n"), "null is absent")
	assert.False(t, object.Has("b"))
	assert.NoError(t, inner.Only("a", "b"))
	assert.ErrorIs(t, inner.Only("B"), exactjson.ErrUnknown)
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		``: exactjson.ErrObject, `null`: exactjson.ErrObject, `[]`: exactjson.ErrObject, `"x"`: exactjson.ErrObject, `1`: exactjson.ErrObject,
		`{`: exactjson.ErrObject, `{"a"`: exactjson.ErrObject, `{"a":`: exactjson.ErrObject, `{"a":1`: exactjson.ErrObject,
		`{"a":1,}`: exactjson.ErrObject, `{a:1}`: exactjson.ErrObject, `{1:1}`: exactjson.ErrObject, `{"a":01}`: exactjson.ErrObject,
		`{} {}`: exactjson.ErrObject, `{}x`: exactjson.ErrObject, `{"a":1]`: exactjson.ErrObject, "{}\x00": exactjson.ErrObject,
		"{\"a\":\"\n\"}": exactjson.ErrObject, `{"a":"\x"}`: exactjson.ErrObject, `{"a":"\u12g4"}`: exactjson.ErrObject, `{"a":"\u12`: exactjson.ErrObject,
		`{"a":"\`: exactjson.ErrObject, `{"a":'b'}`: exactjson.ErrObject, `{"a":tru}`: exactjson.ErrObject, `{"a":nul`: exactjson.ErrObject,
		`{"a":-}`: exactjson.ErrObject, `{"a":+1}`: exactjson.ErrObject, `{"a":1.}`: exactjson.ErrObject, `{"a":.1}`: exactjson.ErrObject,
		`{"a":1e}`: exactjson.ErrObject, `{"a":1e+}`: exactjson.ErrObject, `{"a":0x1}`: exactjson.ErrObject, `{"a" 1}`: exactjson.ErrObject,
		`{"a":[1,]}`: exactjson.ErrObject, `{"a":[1}`: exactjson.ErrObject, `{"a":[`: exactjson.ErrObject, `{"a":{"b":}}`: exactjson.ErrObject,
		`{"a":{"b" "c"}}`: exactjson.ErrObject, `{"a":{1:1}}`: exactjson.ErrObject, `{,}`: exactjson.ErrObject, `{"a":1 "b":2}`: exactjson.ErrObject,
		`{"a":1,"a":1}`:                                   exactjson.ErrTwice,
		`{"a":1,"\u0061":1}`:                              exactjson.ErrTwice,
		`{"a":` + strings.Repeat("[", 20000):              exactjson.ErrObject,
		`{"a":` + strings.Repeat(`{"a":`, 20000):          exactjson.ErrObject,
		`{"a":1,"b":canary-7f3a}`:                         exactjson.ErrObject,
		`{"a":1,"b":"canary-7f3a","a":"canary-7f3a"}`:     exactjson.ErrTwice,
		`{"canary-7f3a":1,"canary-7f3a":"canary-7f3a"} `:  exactjson.ErrTwice,
		`{"canary-7f3a":1,"canary-7f3a":"canary-7f3a \q"`: exactjson.ErrObject,
	} {
		object, err := exactjson.Parse([]byte(text))
		require.ErrorIs(t, err, want, text)
		assert.Nil(t, object)
		assert.NotContains(t, err.Error(), "canary")
	}
}

func TestObjectsMayLieInEachOtherAsDeepAsForEncodingJSON(t *testing.T) {
	const deepest = 10000
	for name, part := range map[string][2]string{"objects": {`{"a":`, `}`}, "lists": {`[`, `]`}} {
		for depth, want := range map[int]bool{deepest - 1: true, deepest: false} {
			text := `{"a":` + strings.Repeat(part[0], depth) + "1" + strings.Repeat(part[1], depth) + `}`
			_, err := exactjson.Parse([]byte(text))
			assert.Equal(t, want, err == nil, "%s: %d", name, depth)
			assert.Equal(t, want, json.Valid([]byte(text)), "%s: %d", name, depth)
		}
	}
}

func TestManyFieldsInAnyOrder(t *testing.T) {
	want := map[string]int{}
	for i := range 100 {
		want[strings.Repeat("n", i%10)+string(rune('a'+i%26))] = i
	}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	object, err := exactjson.Parse(text)
	require.NoError(t, err)
	require.Len(t, object, len(want))
	for name := range object.All() {
		var number int
		require.NoError(t, object.Read(name, &number))
		assert.Equal(t, want[name], number)
	}
	_, err = exactjson.Parse([]byte(`{"last":1,` + string(text[1:len(text)-1]) + `,"last":2}`))
	require.ErrorIs(t, err, exactjson.ErrTwice)
}

func TestBytes(t *testing.T) {
	data := []byte(`{"plain":"x","escaped":"\u0078\n","empty":"","number":1,"null":null}`)
	object, err := exactjson.Parse(data)
	require.NoError(t, err)
	for name, want := range map[string]string{"plain": "x", "escaped": "x\n", "empty": ""} {
		got, err := object.Bytes(name)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
		text, err := object.Text(name)
		require.NoError(t, err)
		assert.Equal(t, want, text)
	}
	for name, want := range map[string]error{"number": exactjson.ErrType, "null": exactjson.ErrMissing, "absent": exactjson.ErrMissing} {
		_, err := object.Bytes(name)
		assert.ErrorIs(t, err, want)
	}
	plain, err := object.Bytes("plain")
	require.NoError(t, err)
	clear(data)
	assert.Equal(t, []byte{0}, plain, "it is wiped with its text")
}

func TestWhoseTheBytesAre(t *testing.T) {
	data := []byte(`{"a":[1]}`)
	parsed, err := exactjson.Parse(data)
	require.NoError(t, err)
	var decoded exactjson.Object
	require.NoError(t, decoded.UnmarshalJSON(data))
	given := parsed.Raw("a")
	clear(data)
	assert.Equal(t, make([]byte, 3), []byte(given), "what Parse gives is wiped with its text")
	assert.Nil(t, parsed.Raw("a"), "the names too")
	assert.Equal(t, "[1]", string(decoded.Raw("a")), "encoding/json uses its text again")
	assert.Nil(t, decoded.Raw("b"))
}

// Whatever encoding/json makes of a value, Read makes of it.
func TestReadScalars(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "1", "-1", "1.0", "1.5", "1e3", "1E+3", "1e-3", "1e400", "-1e400", "9007199254740993", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "99999999999999999999999999", "true", "false", `"1"`, `"true"`, "[]", "{}", "[1]",
	} {
		object, err := exactjson.Parse([]byte(`{"a":` + text + `}`))
		require.NoError(t, err)
		same(t, object, text, 7)
		same(t, object, text, int64(7))
		same(t, object, text, 7.5)
		same(t, object, text, true)
		same(t, object, text, false)
		same(t, object, text, "x")
	}
}

func same[T any](t *testing.T, object exactjson.Object, text string, before T) {
	t.Helper()
	got, want := before, before
	gotErr, wantErr := object.Read("a", &got), json.Unmarshal([]byte(text), &want)
	assert.Equal(t, wantErr == nil, gotErr == nil, "%s into %T", text, before)
	assert.Equal(t, want, got, "%s into %T", text, before)
	if gotErr != nil {
		assert.ErrorIs(t, gotErr, exactjson.ErrType)
	}
}

func TestReadRefuses(t *testing.T) {
	object, err := exactjson.Parse([]byte(`{"text":"canary","number":1,"null":null,"twice":{"a":1,"a":2},"deep":[{"a":1,"a":2}],"nulls":[null]}`))
	require.NoError(t, err)
	var text string
	var number int
	var list []exactjson.Object
	for _, row := range []struct {
		err  error
		want error
		name string
	}{
		{object.Read("absent", &text), exactjson.ErrMissing, "absent"},
		{object.Read("Text", &text), exactjson.ErrMissing, "Text"},
		{object.Read("null", &text), exactjson.ErrMissing, "null"},
		{object.Read("number", &text), exactjson.ErrType, "number"},
		{object.Read("text", &number), exactjson.ErrType, "text"},
		{object.Read("text", &list), exactjson.ErrType, "text"},
		{object.Read("deep", &list), exactjson.ErrTwice, "deep"},
		{object.Read("nulls", &list), exactjson.ErrType, "nulls"},
	} {
		require.ErrorIs(t, row.err, row.want)
		assert.ErrorContains(t, row.err, row.name+": ")
		assert.NotContains(t, row.err.Error(), "canary")
	}
	_, err = object.Object("twice")
	require.ErrorIs(t, err, exactjson.ErrTwice)
	_, err = object.Object("text")
	require.ErrorIs(t, err, exactjson.ErrType)
	_, err = object.Text("twice")
	require.ErrorIs(t, err, exactjson.ErrType)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":{"b":[1,"x",null]},"A":1e9}`, `{"a":"\n\"\\\/é\u00e9","b":-0.1e+2}`, `{"a":1,"a":2}`, `[]`, `{"\u0061":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		object, err := exactjson.Parse(data)
		var other map[string]json.RawMessage
		otherErr := json.Unmarshal(data, &other)
		if errors.Is(err, exactjson.ErrTwice) {
			require.NoError(t, otherErr)
			return
		}
		require.Equal(t, otherErr == nil && other != nil, err == nil, "Parse takes what encoding/json takes")
		if err != nil {
			return
		}
		assert.Len(t, object, len(other))
		for name, value := range other {
			assert.Equal(t, value, object.Raw(name))
			sameText(t, object, name, value)
			sameObject(t, object, name, value)
		}
	})
}

// sameText holds Text against encoding/json.
func sameText(t *testing.T, object exactjson.Object, name string, value json.RawMessage) {
	var want *string
	isText := json.Unmarshal(value, &want) == nil && want != nil
	text, err := object.Text(name)
	require.Equal(t, isText, err == nil, "%s", value)
	if isText {
		assert.Equal(t, *want, text)
	}
}

// sameObject holds Object against encoding/json, and an inner object against Parse.
func sameObject(t *testing.T, object exactjson.Object, name string, value json.RawMessage) {
	inner, err := object.Object(name)
	parsed, parseErr := exactjson.Parse(value)
	require.Equal(t, parseErr == nil, err == nil, "%s", value)
	assert.Equal(t, parsed, inner)
}
