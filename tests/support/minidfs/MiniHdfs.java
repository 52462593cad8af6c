import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** Hadoop's own cluster for tests, of one data node: java MiniHdfs.java PORT FOLDER. Ends when its input does. */
public class MiniHdfs {
    public static void main(String[] args) throws Exception {
        Configuration conf = new Configuration();
        conf.setBoolean("dfs.permissions.enabled", true);
        conf.set("dfs.namenode.fs-limits.min-block-size", "1024");
        // Else a file whose end is asked for a moment too early costs 400 ms.
        conf.setInt("dfs.client.block.write.locateFollowingBlock.initial.delay.ms", 2);
        conf.setInt("dfs.client.block.write.locateFollowingBlock.max.delay.ms", 200);
        conf.setInt("dfs.client.block.write.locateFollowingBlock.retries", 50);
        MiniDFSCluster cluster = new MiniDFSCluster.Builder(conf, new File(args[1]))
            .numDataNodes(1).nameNodeHttpPort(Integer.parseInt(args[0])).build();
        cluster.waitActive();
        System.out.println("ready " + cluster.getNameNode().getHttpAddress());
        System.out.flush();
        while (System.in.read() >= 0) {
        }
        cluster.shutdown();
    }
}
