package leshan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/workspace"
)

// demoNode is a node in the demo server's JSON: an object has instances, an instance resources, a multiple resource values, a single one a
// value. Create without an instance ID has no id.
type demoNode struct {
	ID        *int           `json:"id,omitempty"`
	Instances []demoNode     `json:"instances,omitempty"`
	Resources []demoNode     `json:"resources,omitempty"`
	Values    map[string]any `json:"values,omitempty"`
	Value     any            `json:"value,omitempty"`
}

var demoStatus = regexp.MustCompile(`\((\d)(\d\d)\)$`)

func (d *demoServer) answer(t workspace.T, at string, text []byte) Answer {
	t.Helper()
	var body struct {
		Status, ErrorMessage, Location string
		Content                        json.RawMessage
		ObjectLinks                    []demoLink
	}
	if len(text) == 0 { // of a request that only the server's side took part in
		return Answer{Format: AnyFormat}
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatalf("Leshan's answer %s: %v", text, err)
	}
	code := demoStatus.FindStringSubmatch(body.Status)
	if code == nil {
		t.Fatalf("Leshan's answer %s has no status", text)
	}
	a := Answer{
		Code: code[1] + "." + code[2], Message: body.ErrorMessage, Format: AnyFormat, Location: body.Location, Links: linkFormat(body.ObjectLinks),
	}
	if len(body.Content) > 0 {
		var err error
		if a.Content, err = d.content(at, body.Content); err != nil {
			t.Fatalf("Leshan's answer %s: %v", text, err)
		}
	}
	return a
}

// content flattens a node at a path.
func (d *demoServer) content(at string, text []byte) (Content, error) {
	var node demoNode
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // the digits as they came
	if err := decoder.Decode(&node); err != nil {
		return nil, err
	}
	content := Content{}
	d.flatten(content, at, node)
	return content, nil
}

func (d *demoServer) flatten(content Content, at string, node demoNode) {
	for _, child := range append(node.Instances, node.Resources...) {
		d.flatten(content, at+"/"+strconv.Itoa(*child.ID), child)
	}
	for riid, value := range node.Values {
		content[at+"/"+riid] = d.text(at, value)
	}
	if node.Value != nil {
		content[at] = d.text(at, node.Value)
	}
}

// text is a JSON value in the notation of Content.
func (d *demoServer) text(at string, value any) string {
	switch v := value.(type) {
	case string:
		if d.typeAt(at) == lwm2m.TypeTime {
			if when, err := time.Parse(time.RFC3339, v); err == nil {
				return strconv.FormatInt(when.Unix(), 10)
			}
		}
		return v
	case map[string]any: // an object link
		return fmt.Sprintf("%v:%v", v["objectId"], v["objectInstanceId"])
	default:
		return fmt.Sprint(v)
	}
}

// node builds what a write or create to a path carries. Its values are JSON values of the resource's type.
func (d *demoServer) node(t workspace.T, at string, values Values) demoNode {
	t.Helper()
	ids := strings.Split(strings.Trim(at, "/"), "/")
	if len(ids) == 3 {
		return d.resource(t, at, values)
	}
	var instance demoNode
	if len(ids) == 2 {
		instance.ID = number(t, ids[1])
	} else {
		at += "/0"
	}
	byResource := map[string]Values{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		rid, rest, multiple := strings.Cut(strings.Trim(key, "/"), "/")
		if byResource[rid] == nil {
			byResource[rid] = Values{}
		}
		if multiple {
			rest = "/" + rest
		}
		byResource[rid][rest] = values[key]
	}
	for _, rid := range slices.Sorted(maps.Keys(byResource)) {
		instance.Resources = append(instance.Resources, d.resource(t, at+"/"+rid, byResource[rid]))
	}
	return instance
}

func (d *demoServer) resource(t workspace.T, at string, values Values) demoNode {
	t.Helper()
	resource := demoNode{ID: number(t, path.Base(at))}
	for key, text := range values {
		if key == "" {
			resource.Value = d.value(t, at, text)
			continue
		}
		if resource.Values == nil {
			resource.Values = map[string]any{}
		}
		resource.Values[strings.Trim(key, "/")] = d.value(t, at, text)
	}
	return resource
}

// value is a text as JSON: numbers as numbers, since their notation decides the type at the server.
func (d *demoServer) value(t workspace.T, at, text string) any {
	t.Helper()
	switch d.typeAt(at) {
	case lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeFloat:
		return json.Number(text)
	case lwm2m.TypeBoolean:
		return text == "true"
	case lwm2m.TypeTime:
		return time.Unix(int64(*number(t, text)), 0).UTC().Format(time.RFC3339)
	case lwm2m.TypeNone, lwm2m.TypeString, lwm2m.TypeOpaque, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk:
	}
	return text
}

// typeAt is the type of the resource at a path, a string if its object is not among the models.
func (d *demoServer) typeAt(at string) lwm2m.Type {
	ids := strings.Split(strings.Trim(at, "/"), "/")
	if len(ids) < 3 {
		return lwm2m.TypeString
	}
	oid, err1 := strconv.ParseUint(ids[0], 10, 16)
	rid, err2 := strconv.ParseUint(ids[2], 10, 16)
	definition := d.models[uint16(oid)]
	resource := definition.Resource(uint16(rid))
	if err1 != nil || err2 != nil || resource == nil {
		return lwm2m.TypeString
	}
	return resource.Type
}

func number(t workspace.T, text string) *int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%q is no number", text)
	}
	return &n
}

// linkFormat is links in CoRE link format, attributes in order of their names.
func linkFormat(links []demoLink) string {
	texts := make([]string, len(links))
	for i, l := range links {
		texts[i] = "<" + l.URL + ">"
		for _, name := range slices.Sorted(maps.Keys(l.Attributes)) {
			texts[i] += ";" + name + "=" + l.Attributes[name]
		}
	}
	return strings.Join(texts, ",")
}
