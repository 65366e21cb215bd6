import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.link.DefaultLinkParser;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mRoot;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.core.util.datatype.ULong;

/**
 * Nodes as a JSON object of paths and values, every value as text: numbers in decimal, opaque in hex, times in seconds since 1970, object
 * links as "3:0", core links in link format.
 */
class Content {
    private Content() {
    }

    static ObjectNode of(LwM2mPath path, LwM2mNode node) {
        ObjectNode content = LeshanPeer.JSON.createObjectNode();
        add(content, path, node);
        return content;
    }

    static ObjectNode of(Map<LwM2mPath, LwM2mNode> nodes) {
        ObjectNode content = LeshanPeer.JSON.createObjectNode();
        nodes.forEach((path, node) -> add(content, path, node));
        return content;
    }

    private static void add(ObjectNode content, LwM2mPath path, LwM2mNode node) {
        if (node instanceof LwM2mRoot) {
            ((LwM2mRoot) node).getObjects().forEach((id, object) -> add(content, new LwM2mPath(id), object));
        } else if (node instanceof LwM2mObject) {
            ((LwM2mObject) node).getInstances().forEach((id, instance) -> add(content, path.append(id), instance));
        } else if (node instanceof LwM2mObjectInstance) {
            ((LwM2mObjectInstance) node).getResources().forEach((id, resource) -> add(content, path.append(id), resource));
        } else if (node instanceof LwM2mResource && ((LwM2mResource) node).isMultiInstances()) {
            ((LwM2mResource) node).getInstances().forEach((id, instance) -> add(content, path.append(id), instance));
        } else if (node instanceof LwM2mResource) {
            content.put(path.toString(), text(((LwM2mResource) node).getValue()));
        } else if (node instanceof LwM2mResourceInstance) {
            content.put(path.toString(), text(((LwM2mResourceInstance) node).getValue()));
        }
    }

    private static String text(Object value) {
        if (value instanceof byte[]) {
            return Hex.encodeHexString((byte[]) value);
        }
        if (value instanceof Date) {
            return Long.toString(((Date) value).getTime() / 1000);
        }
        if (value instanceof ObjectLink) {
            return ((ObjectLink) value).encodeToString();
        }
        if (value instanceof Link[]) {
            return new DefaultLinkSerializer().serializeCoreLinkFormat((Link[]) value);
        }
        return String.valueOf(value);
    }

    private static Object value(Type type, String text) throws LinkParseException {
        switch (type) {
        case INTEGER:
            return Long.valueOf(text);
        case UNSIGNED_INTEGER:
            return ULong.valueOf(text);
        case FLOAT:
            return Double.valueOf(text);
        case BOOLEAN:
            return Boolean.valueOf(text);
        case OPAQUE:
            return Hex.decodeHex(text.toCharArray());
        case TIME:
            return new Date(Long.parseLong(text) * 1000);
        case OBJLNK:
            return ObjectLink.decodeFromString(text);
        case CORELINK:
            return new DefaultLinkParser().parseCoreLinkFormat(text.getBytes());
        default:
            return text;
        }
    }

    /** The values of a request, by absolute path, grouped by resource; a resource is multiple where a path names a resource instance. */
    static List<LwM2mResource> resources(LwM2mModel model, Map<LwM2mPath, String> values) throws LinkParseException {
        Map<Integer, Map<Integer, Object>> multiple = new LinkedHashMap<>();
        Map<Integer, Type> types = new LinkedHashMap<>();
        List<LwM2mResource> resources = new ArrayList<>();
        for (Map.Entry<LwM2mPath, String> entry : values.entrySet()) {
            LwM2mPath path = entry.getKey();
            Type type = type(model, path);
            Object value = value(type, entry.getValue());
            if (path.isResourceInstance()) {
                types.put(path.getResourceId(), type);
                multiple.computeIfAbsent(path.getResourceId(), id -> new LinkedHashMap<>()).put(path.getResourceInstanceId(), value);
            } else {
                resources.add(LwM2mSingleResource.newResource(path.getResourceId(), value, type));
            }
        }
        multiple.forEach((id, instances) -> resources.add(LwM2mMultipleResource.newResource(id, instances, types.get(id))));
        return resources;
    }

    private static Type type(LwM2mModel model, LwM2mPath path) {
        ResourceModel resource = model.getResourceModel(path.getObjectId(), path.getResourceId());
        return resource == null ? Type.STRING : resource.type;
    }

    /** The node of a write to path, which is an object instance, a resource or a resource instance. */
    static LwM2mNode node(LwM2mModel model, LwM2mPath path, Map<LwM2mPath, String> values) throws LinkParseException {
        if (path.isResourceInstance()) {
            Type type = type(model, path);
            return LwM2mResourceInstance.newInstance(path.getResourceInstanceId(), value(type, values.get(path)), type);
        }
        List<LwM2mResource> resources = resources(model, values);
        if (path.isResource()) {
            return resources.get(0);
        }
        return new LwM2mObjectInstance(path.getObjectInstanceId(), resources);
    }
}
