# Compile and run with threads, under the memory limit of the container.
cat >Hello.java <<'JAVA'
import java.nio.file.*;
import java.util.stream.*;
public class Hello {
    public static void main(String[] arguments) throws Exception {
        int sum = IntStream.range(0, 1000).parallel().sum();
        Files.writeString(Path.of("out.txt"), "hello " + sum);
        Process process = new ProcessBuilder("cat", "out.txt").redirectErrorStream(true).start();
        System.out.println(new String(process.getInputStream().readAllBytes()));
    }
}
JAVA
javac Hello.java && test "$(java Hello)" = 'hello 499500'
