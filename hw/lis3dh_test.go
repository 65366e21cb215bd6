package hw

import "testing"

func TestLIS3DHFaults(t *testing.T) {
	id, set4, set1, next := []byte{0x0f}, []byte{0x23, 0x88}, []byte{0x20, 0x57}, []byte{0xa7}
	wantGarbage(t, "lis3dh", transfers(0x18, id, []byte{0x04}), ErrWrongDevice, "identity 0x04") // an MCP9808's neighbour
	old := make([]byte, 7)
	wantGarbage(t, "lis3dh", transfers(0x18, id, []byte{0x33}, set4, nil, set1, nil, next, old, next, old, next, old), ErrGarbage, "does not measure")
	if problems := Validate(Setup{Sensors: []Config{{Name: "x", Driver: "lis3dh", Bus: bus0, Address: 0x18, Range: 3}}}); len(problems) != 1 {
		t.Errorf("a range of 3 g: %v", problems)
	}
}
