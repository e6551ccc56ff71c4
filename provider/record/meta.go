package record

import (
	"fmt"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Visibility says who may see a secret, in Greentic's own terms; the provider's lock does not depend on it.
type Visibility string

// The visibilities.
const (
	VisibleToUser   Visibility = "user"
	VisibleToTeam   Visibility = "team"
	VisibleToTenant Visibility = "tenant"
)

// ContentType says what a value's bytes are.
type ContentType string

// The content types.
const (
	ContentOpaque ContentType = "opaque"
	ContentJSON   ContentType = "json"
	ContentText   ContentType = "text"
	ContentBinary ContentType = "binary"
)

// Meta is what a record says of its value.
type Meta struct {
	Ref         secretref.Reference // a version is left out where the record is written: stores count their own
	Visibility  Visibility          // "" is VisibleToTeam, as Greentic's own tools write
	ContentType ContentType         // "" is ContentText
	Description string              // "" is none
	Tags        map[string]string
}

// storedMeta is Meta as it stands in a record.
type storedMeta struct {
	URI         string            `json:"uri"`
	Visibility  Visibility        `json:"visibility"`
	ContentType ContentType       `json:"contentType"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

func (m Meta) stored() (storedMeta, error) {
	if m.Ref.IsZero() {
		return storedMeta{}, fmt.Errorf("%w: ref is missing", ErrInvalid)
	}
	stored := storedMeta{
		URI: m.Ref.StoreURI(), Visibility: m.Visibility, ContentType: m.ContentType, Description: m.Description, Tags: m.Tags,
	}
	if stored.Visibility == "" {
		stored.Visibility = VisibleToTeam
	}
	if stored.ContentType == "" {
		stored.ContentType = ContentText
	}
	return stored, stored.check()
}

func (s storedMeta) check() error {
	switch s.Visibility {
	case VisibleToUser, VisibleToTeam, VisibleToTenant:
	default:
		return fmt.Errorf("%w: visibility %q is none of user, team, tenant", ErrInvalid, string(s.Visibility))
	}
	switch s.ContentType {
	case ContentOpaque, ContentJSON, ContentText, ContentBinary:
	default:
		return fmt.Errorf("%w: contentType %q is none of opaque, json, text, binary", ErrInvalid, string(s.ContentType))
	}
	return nil
}

// readMeta reads all of a meta object; ref is what its URI parses to.
func readMeta(object exactjson.Object, ref secretref.Reference) (Meta, error) {
	meta := Meta{Ref: ref}
	if err := object.Only("uri", "visibility", "contentType", "description", "tags"); err != nil {
		return Meta{}, fmt.Errorf("%w: meta: %w", ErrInvalid, err)
	}
	if err := object.Read("visibility", &meta.Visibility); err != nil {
		return Meta{}, fmt.Errorf("%w: meta.%w", ErrInvalid, err)
	}
	if err := object.Read("contentType", &meta.ContentType); err != nil {
		return Meta{}, fmt.Errorf("%w: meta.%w", ErrInvalid, err)
	}
	if object.Has("description") {
		if err := object.Read("description", &meta.Description); err != nil {
			return Meta{}, fmt.Errorf("%w: meta.%w", ErrInvalid, err)
		}
	}
	tags, err := readTags(object)
	if err != nil {
		return Meta{}, err
	}
	meta.Tags = tags
	_, err = meta.stored()
	return meta, err
}

func readTags(object exactjson.Object) (map[string]string, error) {
	if !object.Has("tags") {
		return nil, nil
	}
	raw, err := object.Object("tags")
	if err != nil {
		return nil, fmt.Errorf("%w: meta.%w", ErrInvalid, err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	tags := make(map[string]string, len(raw))
	for name := range raw.All() {
		if tags[name], err = raw.Text(name); err != nil {
			return nil, fmt.Errorf("%w: meta.tags: not all are texts", ErrInvalid)
		}
	}
	return tags, nil
}
