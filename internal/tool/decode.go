package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"vast-mcp/guard"
)

// maxArguments caps the arguments of one call. The longest legitimate one is a
// start script of 16 KiB.
const maxArguments = 64 << 10

// decode validates raw arguments against the schema, fills in defaults and
// returns the input together with its canonical JSON.
func decode[In any](s *inputSchema, raw json.RawMessage) (in In, canonical []byte, err error) {
	fields, err := object(raw)
	if err != nil {
		return in, nil, err
	}
	if err := s.validate(fields); err != nil {
		return in, nil, err
	}
	for name, value := range s.defaults {
		if _, given := fields[name]; !given {
			fields[name] = value
		}
	}
	if err := json.Unmarshal(marshal(fields), &in); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return in, nil, Fail(InvalidArguments, "%s: got %s, want a whole number that fits", wrong.Field, wrong.Value).Hint("write it with digits only, like 3")
		}
		return in, nil, Fail(InvalidArguments, "%v", err).Hint("%s", s.shape(""))
	}
	return in, marshal(in), nil
}

// object splits the arguments into their fields, refusing what is not one JSON
// object of valid UTF-8. Absent arguments are an empty object.
func object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	switch {
	case len(bytes.TrimSpace(raw)) == 0 || string(raw) == "null":
		return map[string]json.RawMessage{}, nil
	case len(raw) > maxArguments:
		return nil, Fail(InvalidArguments, "the arguments are %d bytes long and at most %d are taken", len(raw), maxArguments).
			Hint("shorten them; put long scripts behind a URL or gzip and base64 them")
	case !utf8.Valid(raw):
		return nil, Fail(InvalidArguments, "the arguments are not valid UTF-8").Hint("send JSON text in UTF-8")
	}
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &fields) != nil {
		return nil, Fail(InvalidArguments, "the arguments are not a JSON object").Hint(`send an object like {"name": value}`)
	}
	// null is how some clients leave an argument out.
	maps.DeleteFunc(fields, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return fields, nil
}

// validate explains every violation at once, naming the field.
func (s *inputSchema) validate(fields map[string]json.RawMessage) error {
	doc, err := validator.UnmarshalJSON(bytes.NewReader(marshal(fields)))
	if err != nil {
		return Fail(InvalidArguments, "the arguments are not JSON: %v", err).Hint("%s", s.shape(""))
	}
	err = s.compiled().Validate(doc)
	if err == nil {
		return nil
	}
	var invalid *validator.ValidationError
	if !errors.As(err, &invalid) {
		return Fail(InvalidArguments, "%v", err).Hint("%s", s.shape(""))
	}
	problems := s.explain(invalid)
	slices.Sort(problems)
	field, _, _ := strings.Cut(problems[0], ":")
	return Fail(InvalidArguments, "%s", strings.Join(slices.Compact(problems), "; ")).Hint("%s", s.shape(field))
}

// shape says what an argument must look like, or which arguments there are.
func (s *inputSchema) shape(field string) string {
	field, _, _ = strings.Cut(field, ".")
	if property, ok := s.properties[field]; ok {
		return fmt.Sprintf("%s must match %s", field, clip(string(property), 300))
	}
	return "arguments: " + strings.Join(s.names, ", ")
}

func (s *inputSchema) explain(e *validator.ValidationError) []string {
	if len(e.Causes) > 0 {
		var all []string
		for _, c := range e.Causes {
			all = append(all, s.explain(c)...)
		}
		return all
	}
	field := strings.Join(e.InstanceLocation, ".")
	if k, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		return s.unknown(field, k.Properties)
	}
	return []string{strings.TrimPrefix(field+": "+clip(inWords(e.ErrorKind), 200), ": ")}
}

// inWords is what is wrong with a value, and what it should be.
func inWords(k validator.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return strings.Join(k.Missing, " and ") + " is required"
	case *kind.Type:
		return fmt.Sprintf("got %s, want %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Minimum:
		return fmt.Sprintf("got %s, want at least %s", decimal(k.Got), decimal(k.Want))
	case *kind.Maximum:
		return fmt.Sprintf("got %s, want at most %s", decimal(k.Got), decimal(k.Want))
	case *kind.MinItems:
		return fmt.Sprintf("got %d, want at least %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("got %d, want at most %d", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("is %d characters long, want at most %d", k.Got, k.Want)
	}
	return k.LocalizedString(message.NewPrinter(language.English))
}

func decimal(r *big.Rat) string {
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func (s *inputSchema) unknown(field string, names []string) []string {
	var all []string
	for _, name := range names {
		problem := fmt.Sprintf("unknown argument %q", clip(name, 60))
		if field != "" {
			problem += " in " + field
		} else if near := Nearest(name, s.names, 1); len(near) > 0 {
			problem += fmt.Sprintf(" (did you mean %q?)", near[0])
		}
		all = append(all, problem)
	}
	return all
}

// takeApproval removes the argument approval, which is part of no tool's
// input, so that it never changes what a call is.
func takeApproval(mode guard.Mode, raw json.RawMessage) (named string, rest json.RawMessage, err error) {
	if mode != guard.Model {
		return "", raw, nil
	}
	fields, err := object(raw)
	if err != nil {
		return "", nil, err
	}
	value, given := fields["approval"]
	if !given {
		return "", raw, nil
	}
	if err := json.Unmarshal(value, &named); err != nil {
		return "", nil, Fail(InvalidArguments, "approval: got %s, want the quote_id as a string", clip(string(value), 40))
	}
	rest2 := maps.Clone(fields)
	delete(rest2, "approval")
	return named, marshal(rest2), nil
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
