// Package plot draws line charts as SVG: the same bytes for the same chart, readable on light and dark pages, without a font or a script of its own.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is lines over two linear axes that begin at 0.
type Chart struct {
	Title string
	X, Y  Axis
	Lines []Line // at most as many as there are colours: 3
}

// Axis is from 0 to Max, with a tick at every multiple of Step. Both must be positive.
type Axis struct {
	Label     string // with the unit
	Max, Step float64
}

// Line is a named line through points, from left to right.
type Line struct {
	Name   string
	Points []Point
}

// Point is one of a line's. What is beyond an axis' end is drawn at it.
type Point struct{ X, Y float64 }

// The picture's measures, in pixels: all of it, and where the axes' field begins and ends.
const (
	width, height            = 860, 380
	left, right, top, bottom = 68.0, 836.0, 78.0, 326.0
)

// style has a second set of colours for dark pages. Each pair of lines differs in lightness too.
const style = `text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#57606a}
.page{fill:#fff}.title{font-size:16px;font-weight:600;fill:#1f2328}.grid{stroke:#d8dee4}.axis{stroke:#8c959f}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.l0{stroke:#8c959f}.l1{stroke:#0969da}.l2{stroke:#bc4c00}
@media(prefers-color-scheme:dark){text{fill:#9198a1}.page{fill:#0d1117}.title{fill:#f0f6fc}.grid{stroke:#2a3038}.axis{stroke:#656c76}
.l0{stroke:#9198a1}.l1{stroke:#4493f8}.l2{stroke:#f0883e}}`

// SVG is the picture.
func (c Chart) SVG() []byte {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width, height, width, height, html.EscapeString(c.Title))
	fmt.Fprintf(&out, "<style>%s</style>\n<rect class=\"page\" width=\"100%%\" height=\"100%%\" rx=\"6\"/>\n", style)
	text(&out, left, 28, "title", "start", c.Title)
	c.legend(&out)
	c.grid(&out)
	for i, line := range c.Lines {
		fmt.Fprintf(&out, `<polyline class="line l%d" points="`, i)
		for _, p := range line.Points {
			fmt.Fprintf(&out, "%.1f,%.1f ", c.x(p.X), c.y(p.Y))
		}
		out.WriteString("\"/>\n")
	}
	out.WriteString("</svg>\n")
	return []byte(out.String())
}

// legend names the lines above the field.
func (c Chart) legend(out *strings.Builder) {
	const glyph = 7.2 // about the width of a letter
	x := left
	for i, line := range c.Lines {
		fmt.Fprintf(out, "<path class=\"line l%d\" d=\"M%.1f 50h22\"/>\n", i, x)
		text(out, x+28, 54, "", "start", line.Name)
		x += 28 + glyph*float64(len(line.Name)) + 24
	}
}

func (c Chart) grid(out *strings.Builder) {
	for v := 0.0; v <= c.Y.Max; v += c.Y.Step {
		stroke(out, "grid", left, c.y(v), right, c.y(v))
		text(out, left-8, c.y(v)+4, "", "end", fmt.Sprint(v))
	}
	for v := 0.0; v <= c.X.Max; v += c.X.Step {
		stroke(out, "axis", c.x(v), bottom, c.x(v), bottom+5)
		text(out, c.x(v), bottom+20, "", "middle", fmt.Sprint(v))
	}
	stroke(out, "axis", left, bottom, right, bottom)
	text(out, (left+right)/2, bottom+42, "", "middle", c.X.Label)
	fmt.Fprintf(out, "<text transform=\"translate(20 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
		(top+bottom)/2, html.EscapeString(c.Y.Label))
}

func (c Chart) x(v float64) float64 { return left + (right-left)*math.Min(v/c.X.Max, 1) }

func (c Chart) y(v float64) float64 { return bottom - (bottom-top)*math.Min(v/c.Y.Max, 1) }

func stroke(out *strings.Builder, class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(out, "<path class=%q d=\"M%.1f %.1fL%.1f %.1f\"/>\n", class, x1, y1, x2, y2)
}

func text(out *strings.Builder, x, y float64, class, anchor, what string) {
	fmt.Fprintf(out, "<text class=%q x=\"%.1f\" y=\"%.1f\" text-anchor=%q>%s</text>\n", class, x, y, anchor, html.EscapeString(what))
}
