// Package mlog stands in for the logging helper that the CSI driver's command imports: the same few names over klog, no JSON.
package mlog

import (
	"context"

	"k8s.io/klog/v2"
)

// Format is the log format asked for; this stand-in always writes klog's text.
type Format string

// The two formats that the driver names.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

// Setup returns what must run before the program ends.
func Setup() func() { return klog.Flush }

// ValidateAndSetKlogLevelAndFormatGlobally leaves klog as its own flags have set it.
func ValidateAndSetKlogLevelAndFormatGlobally(context.Context, klog.Level, Format) error { return nil }

// Error logs err under msg.
func Error(msg string, err error, keysAndValues ...any) { klog.ErrorS(err, msg, keysAndValues...) }

// Fatal logs err and ends the program.
func Fatal(err error) { klog.Fatal(err) }
