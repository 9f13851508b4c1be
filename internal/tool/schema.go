package tool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"vast-mcp/internal/usd"
)

// inputSchema is the schema of a tool's arguments: as clients see it, compiled
// for validation, and the defaults in it.
type inputSchema struct {
	raw          json.RawMessage
	withApproval json.RawMessage          // as seen in approval mode model
	compiled     func() *validator.Schema // on first use: compiling all of them costs more than the rest of a start
	names        []string                 // property names in order
	properties   map[string]json.RawMessage
	defaults     map[string]json.RawMessage
}

// approvalProperty is what guarded tools show in approval mode model.
const approvalProperty = `{"type":"string","description":"quote_id of the quote to go ahead with"}`

// declare declares a tool whose schemas are derived when they are first asked
// for. That panics on a declaration that a client could not use.
func declare[In, Out any](s Spec, e Effect) Tool {
	return Tool{
		Spec: s, Effect: e,
		input:  sync.OnceValue(func() *inputSchema { return newInputSchema(s.Name, argumentsOf[In](s.Name)) }),
		output: sync.OnceValue(func() json.RawMessage { return marshal(reflectSchema(reflect.TypeFor[Out](), true)) }),
	}
}

func argumentsOf[In any](name string) *jsonschema.Schema {
	in := reflectSchema(reflect.TypeFor[In](), false)
	for p := in.Properties.Oldest(); p != nil; p = p.Next() {
		if p.Value.Description == "" {
			panic(fmt.Sprintf("tool %s: argument %s has no description", name, p.Key))
		}
		if p.Value.Default != nil {
			in.Required = slices.DeleteFunc(in.Required, func(name string) bool { return name == p.Key })
		}
	}
	return in
}

func reflectSchema(t reflect.Type, open bool) *jsonschema.Schema {
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true, AllowAdditionalProperties: open,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[usd.Amount]() {
				return &jsonschema.Schema{Type: "number"}
			}
			return nil
		},
	}
	s := r.ReflectFromType(t)
	s.Version = ""
	return s
}

func newInputSchema(name string, s *jsonschema.Schema) *inputSchema {
	in := &inputSchema{raw: marshal(s), properties: map[string]json.RawMessage{}, defaults: map[string]json.RawMessage{}}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		in.names = append(in.names, p.Key)
		in.properties[p.Key] = marshal(p.Value)
		if p.Value.Default != nil {
			in.defaults[p.Key] = marshal(p.Value.Default)
		}
	}
	in.withApproval = addProperty(in.raw, "approval", approvalProperty)
	in.compiled = sync.OnceValue(func() *validator.Schema { return compile(name, in.raw) })
	return in
}

// addProperty inserts one more property in front of the others.
func addProperty(schema json.RawMessage, name, property string) json.RawMessage {
	const start = `"properties":{`
	sep := ","
	if bytes.Contains(schema, []byte(start+"}")) {
		sep = ""
	}
	return json.RawMessage(strings.Replace(string(schema), start, fmt.Sprintf(`%s"%s":%s%s`, start, name, property, sep), 1))
}

func compile(name string, schema json.RawMessage) *validator.Schema {
	doc, err := validator.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		panic(fmt.Sprintf("tool %s: %v", name, err))
	}
	c := validator.NewCompiler()
	if err := c.AddResource(name+".json", doc); err != nil {
		panic(fmt.Sprintf("tool %s: %v", name, err))
	}
	return c.MustCompile(name + ".json")
}

func marshal(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
