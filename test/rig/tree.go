package rig

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// treeNode is a node of a device tree that is added to one.
type treeNode struct {
	name       string
	properties map[string][]byte
	children   []treeNode
}

// Tokens of the structure block (Devicetree Specification 0.4, section 5.4.1).
const (
	treeBegin = 1 + iota
	treeEnd
	treeProperty
	treeNop
)

// The words of the header (section 5.2), of which it has ten.
const (
	wordTotalSize     = 1
	wordStructure     = 2
	wordStrings       = 3
	wordStringsSize   = 8
	wordStructureSize = 9
	treeMagic         = 0xd00dfeed
)

// addNode returns a flattened device tree with a node added as the last one below the first that is called parent.
func addNode(tree []byte, parent string, node treeNode) ([]byte, error) {
	var header [10]uint32
	if _, err := binary.Decode(tree, binary.BigEndian, &header); err != nil || header[0] != treeMagic {
		return nil, errors.New("no flattened device tree")
	}
	block := func(offset, size int) []byte { return tree[header[offset]:][:header[size]] }
	structure, text := block(wordStructure, wordStructureSize), slices.Clone(block(wordStrings, wordStringsSize))
	end, err := nodeEnd(structure, parent)
	if err != nil {
		return nil, err
	}
	structure = slices.Concat(structure[:end], node.flatten(&text), structure[end:])
	head := slices.Clone(tree[:header[wordStructure]]) // the reservations lie between
	header[wordStructureSize], header[wordStringsSize] = uint32(len(structure)), uint32(len(text))
	header[wordStrings] = header[wordStructure] + header[wordStructureSize]
	header[wordTotalSize] = header[wordStrings] + header[wordStringsSize]
	if _, err := binary.Encode(head, binary.BigEndian, header); err != nil {
		return nil, err
	}
	return slices.Concat(head, structure, text), nil
}

// nodeEnd is where the first node of that name ends.
func nodeEnd(structure []byte, name string) (int, error) {
	var names []string
	for at := 0; at+4 <= len(structure); {
		token := binary.BigEndian.Uint32(structure[at:])
		switch token {
		case treeBegin:
			length := bytes.IndexByte(structure[at+4:], 0)
			names = append(names, string(structure[at+4:][:length]))
			at += 4 + aligned(length+1)
			continue
		case treeEnd:
			if names[len(names)-1] == name {
				return at, nil
			}
			names = names[:len(names)-1]
		case treeProperty:
			at += 8 + aligned(int(binary.BigEndian.Uint32(structure[at+4:])))
		}
		at += 4
	}
	return 0, fmt.Errorf("the device tree has no node %s", name)
}

func aligned(n int) int { return (n + 3) &^ 3 }

// flatten is the node as the structure block has it; names of properties are added to text.
func (n treeNode) flatten(text *[]byte) []byte {
	var b []byte
	word := func(v int) { b = binary.BigEndian.AppendUint32(b, uint32(v)) }
	padded := func(value []byte) { b = append(append(b, value...), make([]byte, aligned(len(value))-len(value))...) }
	word(treeBegin)
	padded(append([]byte(n.name), 0))
	for name, value := range n.properties {
		word(treeProperty)
		word(len(value))
		word(len(*text))
		*text = append(append(*text, name...), 0)
		padded(value)
	}
	for _, child := range n.children {
		b = append(b, child.flatten(text)...)
	}
	word(treeEnd)
	return b
}
