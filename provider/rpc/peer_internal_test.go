//go:build linux

package rpc

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMayConnect(t *testing.T) {
	for _, row := range []struct {
		peer, own int
		may       bool
	}{
		{0, 0, true}, {0, 65532, true}, {65532, 65532, true}, {1000, 65532, false}, {65532, 0, false}, {-1, 0, false},
	} {
		assert.Equal(t, row.may, mayConnect(row.peer, row.own), "%+v", row)
	}
}
