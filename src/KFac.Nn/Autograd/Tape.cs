using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Records one forward pass, and replays it backwards as often as wanted.</summary>
/// <remarks>
/// Values live in an arena that lasts until <see cref="Reset"/>, gradients in another that lasts one backward pass.
/// Operations are pooled by type. A step like the one before therefore allocates nothing, on the managed heap or the
/// device. The order of recording is a topological order, so a backward pass is one loop over the tape in reverse.
/// Not thread-safe.
/// </remarks>
public sealed class Tape : IDisposable
{
    private readonly OperationPools _operations = new();
    private readonly SequencePaddings _paddings = new();
    private readonly TapeEntries _entries = new();
    private readonly BackwardPass _pass;
    private readonly StepSequence _sequence;
    private ushort _randomUses;

    /// <summary>Makes an empty tape whose operations run on <paramref name="stream"/>.</summary>
    public Tape(DeviceStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Stream = stream;
        Memory = new Arena(stream.Device);
        PassMemory = new Arena(stream.Device);
        _pass = new BackwardPass(this);
        _sequence = new StepSequence(stream);
    }

    /// <summary>Where operations run.</summary>
    public DeviceStream Stream { get; }

    /// <summary>Memory of the values, taken back by <see cref="Reset"/>.</summary>
    public Arena Memory { get; }

    /// <summary>Whether the forward pass trains: dropout drops, and batch statistics are those of the batch. Curvature passes
    /// replay the training forward pass.</summary>
    public bool Training { get; set; } = true;

    /// <summary>Names the random numbers of the next forward pass and of the backward passes over it; a training loop gives each step
    /// a key of its own.</summary>
    public PhiloxKey RandomKey { get; set; }

    /// <summary>How the rows hang together, for layers on graphs; null elsewhere. Forgotten by <see cref="Reset"/>.</summary>
    public GraphStructure? Graph { get; set; }

    /// <summary>Memory of gradients, taken back at the end of each backward pass.</summary>
    internal Arena PassMemory { get; }

    internal int Generation { get; private set; }

    /// <summary>Counts the forward passes, those that were replayed too: what is computed from their values when it is first asked for
    /// is good for one.</summary>
    internal long ForwardPasses { get; private set; }

    /// <summary>Bytes that the gradients of one backward pass took at most.</summary>
    internal long MostGradientBytes { get; private set; }

    /// <summary>Elements that the gradients of one seed may take at most.</summary>
    internal long GradientElements => _entries.GradientElements;

    /// <summary>Forgets everything recorded and takes its memory back. Variables made so far must not be used any more.</summary>
    public void Reset()
    {
        _operations.ReturnAll();
        _entries.Clear();
        _paddings.Clear();
        _randomUses = 0;
        Graph = null;
        Generation++;
        ForwardPasses++;
        Memory.Reset();
        PassMemory.Reset();
        ShowRandomKey();
    }

    /// <summary>Takes note that the recorded forward pass was run again: values lie where they lay, and are others.</summary>
    internal void Replayed() => ForwardPasses++;

    /// <summary>Puts the key's sequence where the random numbers of the next forward pass are drawn from, recorded ones too.</summary>
    internal void ShowRandomKey() => _sequence.Show(RandomKey.Sequence);

    /// <summary>Random numbers for one use of a layer: the same for the same <see cref="RandomKey"/> and place in the forward pass.</summary>
    /// <remarks>The number of the use goes into bits 32 to 47 of the sequence; the rest of the sequence lies on the device, so that
    /// a pass can be recorded and replayed with other numbers.</remarks>
    public DeviceKey NextRandomKey() =>
        new(new PhiloxKey(RandomKey.Seed, (ulong)++_randomUses << 32), _sequence.OnDevice(RandomKey.Sequence));

    /// <summary>Records a value from outside, borrowed until the tape is reset. It gets no gradient.</summary>
    /// <param name="value">[rows, columns].</param>
    /// <param name="shape">[M, sharing dimensions…, columns], or [R_M, columns] with <paramref name="segments"/>.</param>
    /// <param name="segments">Where each example's rows begin, when that differs between examples.</param>
    /// <exception cref="ArgumentException">Matrix, shape and segments disagree.</exception>
    public Variable Input(MatrixView<float> value, TensorShape shape, SegmentOffsets? segments = null)
    {
        TapeCheck.Value(value, shape, segments);
        return Add(new TapeEntry { Value = value, Shape = shape, Segments = segments });
    }

    /// <summary>Records tokens, borrowed until the tape is reset; they have indices instead of a value.</summary>
    /// <param name="context">What <see cref="Variable.Context"/> shall be, for example the source of a translation.</param>
    /// <returns>A variable of shape [M, T, 1], or [R_M, 1] when lengths differ.</returns>
    public Variable Tokens(in TokenSequences tokens, Variable? context = null) => Add(
        new TapeEntry { Indices = tokens.Tokens, Shape = tokens.Shape, Segments = tokens.Segments, Context = context });

    /// <summary>An operation object of type <typeparamref name="T"/>, from the pool where there is one.</summary>
    public T Rent<T>()
        where T : TapeOperation, new() => _operations.Rent<T>();

    /// <summary>Records what an operation made.</summary>
    /// <param name="value">[shape.Rows, shape.Columns], usually from <see cref="Memory"/>.</param>
    /// <param name="segments">As of the inputs, when the rows still belong to ragged examples.</param>
    /// <param name="needsGradient">Whether an input needs a gradient, or the operation has parameters.</param>
    public Variable Record(
        TapeOperation operation, MatrixView<float> value, TensorShape shape, SegmentOffsets? segments, bool needsGradient)
    {
        ArgumentNullException.ThrowIfNull(operation);
        TapeCheck.Value(value, shape, segments);
        operation.Output = Add(
            new TapeEntry { Operation = operation, Value = value, Shape = shape, Segments = segments, NeedsGradient = needsGradient });
        return operation.Output;
    }

    /// <summary>Undefined memory for the seeds of the next backward pass: [seeds·rows, columns] of <paramref name="output"/>.</summary>
    public MatrixView<float> NewSeeds(Variable output, int seeds)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(seeds);
        MatrixView<float> value = EntryOf(output).Value;
        return PassMemory.Matrix<float>(checked(seeds * value.Rows), value.Columns);
    }

    /// <summary>Back-propagates seeds from <paramref name="output"/>, and takes all gradient memory back.</summary>
    /// <param name="seeds">[S·rows, columns], seeds outermost; overwritten. S must be 1 with weight gradients.</param>
    /// <exception cref="ArgumentException">The seeds do not fit the output.</exception>
    public void Backward(Variable output, MatrixView<float> seeds, in BackwardOptions options)
    {
        ref TapeEntry last = ref EntryOf(output);
        int count = TapeCheck.Seeds(last.Value, seeds, options);
        try
        {
            if (last.NeedsGradient)
            {
                _pass.Begin(count, options);
                _pass.Contribute(output, seeds);
                _entries.RunBackward(_pass, output.Id);
            }
        }
        finally
        {
            _pass.End();
            ReleaseGradients();
        }
    }

    /// <summary>Hands over the inputs of every layer with Kronecker factors, in the order of the forward pass.</summary>
    public void CaptureInputs(ICaptureSink sink)
    {
        ArgumentNullException.ThrowIfNull(sink);
        _entries.CaptureInputs(sink);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory.Dispose();
        PassMemory.Dispose();
        _sequence.Dispose();
    }

    /// <summary>The number of the pass that ran last: parameters stamped with it hold gradients of it.</summary>
    internal long LastPass => _pass.Number;

    /// <summary>How sequences of these segments are padded; described once per forward pass.</summary>
    internal SequencePadding PaddingOf(SegmentOffsets segments) => _paddings.Of(segments, Stream, Memory);

    internal ref TapeEntry EntryOf(Variable variable)
    {
        if (!ReferenceEquals(variable.Tape, this))
        {
            throw new ArgumentException("The variable belongs to another tape.", nameof(variable));
        }

        return ref _entries[variable.Id];
    }

    private Variable Add(in TapeEntry entry) => new(this, _entries.Add(entry), Generation);

    private void ReleaseGradients()
    {
        MostGradientBytes = Math.Max(MostGradientBytes, PassMemory.BytesInUse);
        _entries.ReleaseGradients();
        PassMemory.Reset();
    }
}
