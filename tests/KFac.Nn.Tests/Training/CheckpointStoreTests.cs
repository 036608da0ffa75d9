using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class CheckpointStoreTests : IDisposable
{
    private const string Fingerprint = "seed=1\nbatch=100";
    private readonly TemporaryDirectory _directory = new();
    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public CheckpointStoreTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(70_001)]
    public void Restores_every_bit(int length)
    {
        var saved = new SomeState(_device, _arena, length, seed: 1) { Count = -3, Rate = double.NaN };
        var store = new CheckpointStore(_directory.File("new"));
        Assert.False(store.Exists);
        Save(store, saved);
        var restored = new SomeState(_device, _arena, length, seed: 2);
        store.Load(Fingerprint, _device.DefaultStream, restored);
        Assert.Equal(saved.Read(), restored.Read());
        Assert.Equal(-3, restored.Count);
        Assert.Equal(BitConverter.DoubleToInt64Bits(double.NaN), BitConverter.DoubleToInt64Bits(restored.Rate));
        Assert.Equal([CheckpointStore.FileName], Directory.GetFiles(store.Directory).Select(Path.GetFileName));
    }

    [Fact]
    public void Any_missing_tail_and_any_flipped_byte_is_found_and_nothing_is_restored()
    {
        CheckpointStore store = Saved(out SomeState _);
        byte[] whole = File.ReadAllBytes(store.FilePath);
        for (int length = 0; length < whole.Length; length++)
        {
            AssertRefused(store, whole[..length], Fingerprint, store.FilePath);
        }

        for (int at = 0; at < whole.Length; at++)
        {
            byte[] flipped = [.. whole];
            flipped[at] ^= 0x10;
            AssertRefused(store, flipped, Fingerprint, store.FilePath);
        }

        AssertRefused(store, [.. whole, 0], Fingerprint, "truncated or corrupt");
    }

    [Fact]
    public void Refuses_a_foreign_file() =>
        AssertRefused(Saved(out _), "PK\u0003\u0004 and so on, quite long enough"u8.ToArray(), Fingerprint, "is not a checkpoint");

    [Fact]
    public void Names_the_option_that_differs()
    {
        CheckpointStore store = Saved(out _);
        AssertRefused(store, File.ReadAllBytes(store.FilePath), "seed=1\nbatch=50", "a run with batch=100; this run has batch=50");
    }

    [Fact]
    public void Refuses_state_of_another_shape()
    {
        CheckpointStore store = Saved(out _);
        var wider = new SomeState(_device, _arena, 8, seed: 2);
        Exception failure = Assert.Throws<InvalidDataException>(() => store.Load(Fingerprint, _device.DefaultStream, wider));
        Assert.Contains("weights has 7 elements; wanted 8", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_a_missing_checkpoint() => Assert.Contains(
        "There is no checkpoint",
        Assert.Throws<FileNotFoundException>(() => new CheckpointStore(_directory.Path).Load(Fingerprint, _device.DefaultStream, new SomeState(_device, _arena, 1, 1))).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(60)]
    public void A_full_disk_leaves_the_last_checkpoint_and_no_temporary_file(int room)
    {
        CheckpointStore store = Saved(out SomeState state);
        byte[] before = File.ReadAllBytes(store.FilePath);
        var full = new CheckpointStore(_directory.Path) { OpenTemporary = path => new FullDisk(path, room) };
        IOException failure = Assert.Throws<IOException>(() => Save(full, state));
        Assert.Contains(store.FilePath, failure.Message, StringComparison.Ordinal);
        Assert.Contains("No space left on device; the last checkpoint is still there.", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(store.FilePath));
        Assert.Single(Directory.GetFiles(_directory.Path));
    }

    [Fact]
    public void What_a_killed_process_left_behind_is_overwritten()
    {
        CheckpointStore store = Saved(out SomeState state);
        File.WriteAllText(store.FilePath + ".tmp", new string('x', 100_000));
        Save(store, state);
        Assert.Single(Directory.GetFiles(_directory.Path));
        store.Load(Fingerprint, _device.DefaultStream, state);
    }

    [Fact]
    public void Says_when_the_directory_cannot_be_made()
    {
        File.WriteAllText(_directory.File("file"), "in the way");
        var store = new CheckpointStore(_directory.File("file"));
        IOException failure = Assert.Throws<IOException>(() => Save(store, new SomeState(_device, _arena, 1, 1)));
        Assert.Contains("Cannot write the checkpoint", failure.Message, StringComparison.Ordinal);
        Assert.Equal("in the way", File.ReadAllText(_directory.File("file")));
    }

    private void Save(CheckpointStore store, IStateful state) => store.Save(Fingerprint, _device.DefaultStream, state);

    private CheckpointStore Saved(out SomeState state)
    {
        state = new SomeState(_device, _arena, 7, seed: 1);
        var store = new CheckpointStore(_directory.Path);
        Save(store, state);
        return store;
    }

    private void AssertRefused(CheckpointStore store, byte[] bytes, string fingerprint, string message)
    {
        File.WriteAllBytes(store.FilePath, bytes);
        var state = new SomeState(_device, _arena, 7, seed: 2);
        float[] before = state.Read();
        Exception failure = Assert.Throws<InvalidDataException>(() => store.Load(fingerprint, _device.DefaultStream, state));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, state.Read());
        Assert.Equal(bytes, File.ReadAllBytes(store.FilePath));
    }

    private sealed class SomeState : IStateful
    {
        private readonly Device _device;
        private readonly VectorView<float> _weights;
        private long _count;
        private double _rate;

        public SomeState(Device device, Arena arena, int length, ulong seed)
        {
            _device = device;
            _weights = arena.Vector<float>(length);
            device.DefaultStream.Upload(TestData.Uniform(length, seed), _weights);
        }

        public long Count { get => _count; set => _count = value; }

        public double Rate { get => _rate; set => _rate = value; }

        public void VisitState(IStateVisitor visitor)
        {
            visitor.Vector("weights", _weights);
            visitor.Integer("count", ref _count);
            visitor.Real("rate", ref _rate);
        }

        public float[] Read()
        {
            var values = new float[_weights.Length];
            _device.DefaultStream.Download(_weights, values);
            return values;
        }
    }

    /// <summary>A file on a disk with room for a few bytes.</summary>
    private sealed class FullDisk(string path, int room) : FileStream(path, FileMode.Create)
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Position + buffer.Length > room)
            {
                throw new IOException("No space left on device");
            }

            base.Write(buffer);
        }
    }
}
