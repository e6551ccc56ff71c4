package program

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStatus(t *testing.T) {
	const good = "Name:\tprovider\nVmPeak:\t  99999 kB\nVmHWM:\t   30000 kB\nVmRSS:\t   20000 kB\nThreads:\t9\n"
	memory, err := parseStatus([]byte(good))
	require.NoError(t, err)
	assert.Equal(t, Memory{Now: 20000 << 10, Peak: 30000 << 10}, memory)

	for name, status := range map[string]string{
		"empty":     "",
		"a zombie":  "Name:\tprovider\nState:\tZ (zombie)\n",
		"no peak":   "VmRSS:\t20000 kB\n",
		"no number": "VmHWM:\tmuch kB\nVmRSS:\t20000 kB\n",
	} {
		_, err := parseStatus([]byte(status))
		assert.ErrorContains(t, err, "reading its memory", name)
	}
}
