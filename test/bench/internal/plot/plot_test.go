package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/plot"
)

func chart() plot.Chart {
	return plot.Chart{
		Title: "a < b & c", X: plot.Axis{Label: "minutes", Max: 10, Step: 5}, Y: plot.Axis{Label: "requests", Max: 100, Step: 50},
		Lines: []plot.Line{{Name: "first", Points: []plot.Point{{0, 0}, {5, 50}, {10, 1000}}}, {Name: "second"}},
	}
}

func TestAPictureIsWellFormed(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(string(chart().SVG())))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
}

func TestWhatAPictureShows(t *testing.T) {
	picture := string(chart().SVG())
	for _, want := range []string{">a &lt; b &amp; c<", ">minutes<", ">requests<", ">first<", ">second<", ">50<", ">100<", ">5<", ">10<"} {
		assert.Contains(t, picture, want)
	}
	assert.Contains(t, picture, `points="68.0,326.0 452.0,202.0 836.0,78.0 "`, "what is beyond an axis is drawn at its end")
	assert.Equal(t, picture, string(chart().SVG()))
}
