package objects

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func fullIdentity() CellularIdentity {
	return CellularIdentity{ICCID: "8949020000123456789", IMSI: "262011234567890", MSISDN: "4915112345678", SINR: new(int64(-3)), Srxlev: new(int64(31)), Coverage: new(int64(1))}
}

func fullNR() NRConnectivity {
	return NRConnectivity{Option: OptionNR, Band: 78, DNN: "iot.lab", Type: PDNIPv4v6, PLMN: "26201"}
}

// unchangeable has a server try to change an object that only shows.
func (f *fixture) unchangeable(resource string) {
	f.Helper()
	p := lwm2m.MustPath(resource)
	object := lwm2m.NewPath(p.Object())
	f.refused(f.write(resource, lwm2m.String("1")), lwm2m.MethodNotAllowed, "")
	_, err := f.tree.Create(f.Context(), model.FromServer(1), object.Child(1), []lwm2m.Node{{Path: object.Child(1).Child(p.Resource()), Value: lwm2m.String("1")}})
	if err == nil {
		f.Errorf("an instance of %s is made", object)
	}
	f.refused(f.tree.Delete(f.Context(), model.FromServer(1), object.Child(0)), lwm2m.MethodNotAllowed, "cannot be changed")
}

func TestCellularExtension(t *testing.T) {
	f := newFixture(t)
	c, err := NewCellularExtension(f.tree)
	f.check(err)
	f.check(c.Publish(fullIdentity()))
	f.has(map[string]string{
		"/10308/0/1": "8949020000123456789", "/10308/0/2": "262011234567890", "/10308/0/3": "4915112345678", "/10308/0/7": "-3", "/10308/0/8": "31",
		"/10308/0/4": "", "/10308/0/9": "1",
	})
	f.unchangeable("/10308/0/3")
	f.check(c.Publish(CellularIdentity{ICCID: "8949020000123456789"}))
	f.has(map[string]string{"/10308/0/1": "8949020000123456789", "/10308/0/2": "", "/10308/0/3": "0", "/10308/0/7": "", "/10308/0/8": "", "/10308/0/9": ""})
}

func TestNRConnectivity(t *testing.T) {
	f := newFixture(t)
	n, err := NewNRObject(f.tree)
	f.check(err)
	f.check(n.Publish(fullNR()))
	f.has(map[string]string{"/27/0/0": "2", "/27/0/2/0": "78", "/27/0/4": "iot.lab", "/27/0/7": "3", "/27/0/17": "26201"})
	f.unchangeable("/27/0/17")
	f.check(n.Publish(NRConnectivity{Option: OptionDual, Type: PDNIPv4}))
	f.has(map[string]string{"/27/0/0": "3", "/27/0/2/0": "", "/27/0/4": "", "/27/0/7": "", "/27/0/17": ""})
}

func TestHostDevice(t *testing.T) {
	f := newFixture(t)
	f.check(NewHostDevice(f.tree, HostDevice{"Example", "G1", "17", "2.0"}))
	f.has(map[string]string{"/10241/0/5905/0": "Example", "/10241/0/5906/0": "G1", "/10241/0/5907/0": "17", "/10241/0/5908/0": "2.0"})
	f.unchangeable("/10241/0/5905")
	if HostDeviceLink() != lwm2m.Objlnk(10241, 0) {
		t.Error(HostDeviceLink())
	}
}
