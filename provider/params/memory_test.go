package params_test

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider/params"
)

func remembered(objects string) map[string]string {
	return map[string]string{"scope": "prod/acme/sales", "objects": objects}
}

func TestMemoryDecodesAsDecodeDoes(t *testing.T) {
	var memory params.Memory
	const good = "- ref: secret://prod/acme/sales/slack/token\n"
	for name, attributes := range map[string]map[string]string{
		"good": remembered(good), "two objects": remembered(good + "- {ref: secret://prod/acme/_/a/b, optional: true}"),
		"another scope": {"scope": "prod/acme/support", "objects": good}, "a space more": remembered(good + " "),
		"no scope": {"objects": good}, "an unknown parameter": {"scope": "prod/acme/sales", "objects": good, "role": "x"},
		"no objects": {"scope": "prod/acme/sales"}, "empty objects": remembered(""), "faulty objects": remembered("- ref: x"),
		"a raw path": remembered("- {path: pki/issue/x, args: {common_name: a}, file: f}"),
	} {
		t.Run(name, func(t *testing.T) {
			want, wantErr := params.Decode(attributes)
			for range 3 {
				got, err := memory.Decode(maps.Clone(attributes))
				assert.Equal(t, want, got)
				assert.Equal(t, wantErr, err)
			}
		})
	}
}

// However many texts there are, and however long: each is answered with its own objects, also while others are remembered.
func TestMemoryIsBounded(t *testing.T) {
	var memory params.Memory
	var readers sync.WaitGroup
	for reader := range 4 {
		readers.Go(func() {
			for i := range 1000 {
				category := fmt.Sprintf("c%d", i%(200*(reader+1)))
				text := "- ref: secret://prod/acme/sales/" + category + "/name" + strings.Repeat(" ", reader*500)
				got, err := memory.Decode(remembered(text))
				if assert.NoError(t, err) {
					assert.Equal(t, category, got.Objects[0].Ref.Category())
				}
				assert.LessOrEqual(t, memory.Texts(), 256)
				assert.LessOrEqual(t, memory.Bytes(), 64<<10)
			}
		})
	}
	readers.Wait()
	require.Positive(t, memory.Texts())
}
