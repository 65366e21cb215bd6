//go:build rig

package rig

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestAddNode adds a node to a tree of two, and one to that.
func TestAddNode(t *testing.T) {
	var text []byte
	structure := append(treeNode{children: []treeNode{{name: "bus", properties: map[string][]byte{"status": []byte("okay\x00")}}}}.flatten(&text), 0, 0, 0, 9)
	header := []uint32{treeMagic, 0, 40, uint32(40 + len(structure)), 40, 17, 16, 0, uint32(len(text)), uint32(len(structure))}
	tree, err := binary.Append(nil, binary.BigEndian, header)
	if err != nil {
		t.Fatal(err)
	}
	tree = append(append(tree, structure...), text...)
	led := treeNode{name: "led", properties: map[string][]byte{"reg": {0, 0, 0, 5}}}
	for _, parent := range []string{"bus", "led"} {
		if tree, err = addNode(tree, parent, led); err != nil {
			t.Fatal(err)
		}
	}
	want := "\x00\x00\x00\x01\x00\x00\x00\x00" +
		"\x00\x00\x00\x01bus\x00" + "\x00\x00\x00\x03\x00\x00\x00\x05\x00\x00\x00\x00okay\x00\x00\x00\x00" +
		"\x00\x00\x00\x01led\x00" + "\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x07\x00\x00\x00\x05" +
		"\x00\x00\x00\x01led\x00" + "\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x0b\x00\x00\x00\x05" +
		"\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x09" + "status\x00reg\x00reg\x00"
	if got := tree[40:]; !bytes.Equal(got, []byte(want)) {
		t.Errorf("the tree is\n% x, want\n% x", got, want)
	}
	if total := binary.BigEndian.Uint32(tree[4:]); int(total) != len(tree) {
		t.Errorf("the header says %d bytes, there are %d", total, len(tree))
	}
	if _, err := addNode(tree, "i2c", led); err == nil {
		t.Error("a node was added to none")
	}
	if _, err := addNode([]byte("no device tree at all, nor anything like one"), "bus", led); err == nil {
		t.Error("a node was added to nothing")
	}
}
