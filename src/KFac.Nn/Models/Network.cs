using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A trainable model: modules, a loss, flat parameters and the tape that runs them.</summary>
/// <remarks>
/// One step is <c>Forward</c>, <see cref="SetTargets"/>, <see cref="Backward"/>; after them any number of capture
/// passes over the same forward pass. A step shaped like the one before allocates nothing. Not thread-safe.
/// </remarks>
public sealed class Network : ICurvatureModel, IStateful, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Module _root;
    private readonly LossHead _loss;
    private readonly Arena _persistent;
    private readonly Tape _tape;
    private readonly Parameter[] _parameters;
    private readonly StateVector[] _layerState;
    private readonly long _seedMemory = 64L << 20;
    private Variable? _output;

    /// <summary>Allocates and initialises the parameters of a module tree.</summary>
    /// <param name="device">Where the network lives; its default stream is used.</param>
    /// <param name="root">Taken over: its layers belong to this network from now on.</param>
    /// <param name="initialisation">The same key gives the same weights on every device.</param>
    /// <exception cref="ArgumentException">Two layers share a name.</exception>
    /// <exception cref="InvalidOperationException">A layer already belongs to another network.</exception>
    public Network(Device device, Module root, Loss loss, PhiloxKey initialisation)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(loss);
        _stream = device.DefaultStream;
        _root = root;
        var registry = new ParameterRegistry();
        root.Register(registry);
        _parameters = [.. registry.Parameters];
        _layerState = [.. registry.State];
        Layers = [.. registry.Linear.Select(static parameter => parameter.Layer)];
        _persistent = new Arena(device);
        _tape = new Tape(_stream);
        _loss = new LossHead(_stream, loss, _persistent);
        Parameters = registry.Allocate(_stream, _persistent, initialisation);
    }

    /// <summary>All parameters and their gradients.</summary>
    public ParameterSet Parameters { get; }

    /// <inheritdoc/>
    public IReadOnlyList<KroneckerLayer> Layers { get; }

    /// <summary>Bytes that the gradients of one curvature pass may take: seeds are batched up to it, at least one a pass.</summary>
    public long SeedMemory
    {
        get => _seedMemory;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            _seedMemory = value;
        }
    }

    /// <summary>Whether the next forward passes train (the default) or evaluate: see <see cref="Tape.Training"/>.</summary>
    public bool Training
    {
        get => _tape.Training;
        set => _tape.Training = value;
    }

    /// <summary>Names the random numbers of the next training forward pass (dropout) and of the backward passes over it: give each step
    /// a key whose sequence differs in its low 32 bits, and runs are reproducible wherever they are resumed.</summary>
    public PhiloxKey RandomKey
    {
        get => _tape.RandomKey;
        set => _tape.RandomKey = value;
    }

    /// <summary>Bytes of the last forward pass's values, and of the gradients of the backward pass that took most.</summary>
    internal long PassBytes => _tape.Memory.BytesInUse + _tape.MostGradientBytes;

    /// <summary>What recordings of passes depend on.</summary>
    internal TapeMark Mark => new(
        _tape.Generation, _loss.Evaluations, _tape.Memory.ByteCapacity + _tape.PassMemory.ByteCapacity, _tape.Training, RandomKey.Seed);

    /// <summary>Takes note that the recorded pass was replayed.</summary>
    internal void Replayed() => _tape.Replayed();

    /// <summary>Readies the random numbers of a pass that is recorded or replayed, as <see cref="RandomKey"/> names them.</summary>
    internal void ShowRandomKey() => _tape.ShowRandomKey();

    /// <inheritdoc/>
    public SharingApproximation LossSetting =>
        Output.Value.Rows == Output.Examples && Output.Segments is null
            ? SharingApproximation.Reduce
            : SharingApproximation.Expand;

    /// <inheritdoc/>
    /// <remarks>Rows of the output, or of them those with a target where <see cref="Targets.Terms"/> says how many.</remarks>
    public int LossTerms => _loss.TargetTerms is > 0 and int terms ? terms : Output.Value.Rows;

    /// <inheritdoc/>
    /// <remarks>Targets that are set once more are evaluated in other memory, and may have other terms. Both counts only grow, so their sum
    /// is another after either.</remarks>
    public ulong? PassMark => ((ulong)(Mark.Generation + Mark.Evaluations) << 40) ^ (ulong)(Mark.Bytes >> 6);

    /// <summary>The output of the last forward pass, [M, …, C]; valid until the next one.</summary>
    /// <exception cref="InvalidOperationException">There was no forward pass.</exception>
    public Variable Output => _output ?? throw new InvalidOperationException("There is no output yet; call Forward first.");

    /// <summary>Runs the modules and keeps what backward passes need.</summary>
    /// <param name="inputs">[inputShape.Rows, P], borrowed until the next forward pass.</param>
    /// <param name="inputShape">[M, sharing dimensions…, P], or [R_M, P] with <paramref name="segments"/>.</param>
    /// <param name="segments">Where each example's rows begin, when that differs between examples.</param>
    /// <param name="graph">How the rows hang together, for layers on graphs; borrowed until the next forward pass.</param>
    /// <exception cref="ArgumentException">There are no examples, or shapes do not fit; the message names the layer.</exception>
    public Variable Forward(MatrixView<float> inputs, TensorShape inputShape, SegmentOffsets? segments = null, GraphStructure? graph = null)
    {
        Restart();
        _tape.Graph = graph;
        Variable input = _tape.Input(inputs, inputShape, segments);
        if (inputShape.Rows == 0 || input.Examples == 0)
        {
            throw new ArgumentException($"Inputs {inputShape} hold no examples; wanted at least one.", nameof(inputShape));
        }

        return Run(input);
    }

    /// <summary>Runs the modules on tokens and keeps what backward passes need.</summary>
    /// <param name="tokens">Borrowed until the next forward pass.</param>
    /// <exception cref="ArgumentException">Shapes do not fit; the message names the layer.</exception>
    public Variable Forward(in TokenSequences tokens)
    {
        Restart();
        return Run(_tape.Tokens(tokens));
    }

    /// <summary>Runs the modules on tokens that have other tokens as <see cref="Variable.Context"/>.</summary>
    /// <param name="tokens">What the root module is given: the target of a translation.</param>
    /// <param name="context">As many examples: the source of a translation.</param>
    /// <inheritdoc cref="Forward(in TokenSequences)"/>
    public Variable Forward(in TokenSequences tokens, in TokenSequences context)
    {
        Restart();
        if (tokens.Examples != context.Examples)
        {
            throw new ArgumentException($"{context.Examples} context sequences were given for {tokens.Examples}; wanted as many.", nameof(context));
        }

        return Run(_tape.Tokens(tokens, _tape.Tokens(context)));
    }

    /// <summary>Evaluates the loss of the last forward pass, term by term.</summary>
    /// <param name="targets">One row per row of the output; borrowed until the next forward pass.</param>
    /// <exception cref="ArgumentException">The targets are of the wrong kind or shape.</exception>
    public void SetTargets(Targets targets) => _loss.Evaluate(_tape.Memory, Output.Value, targets);

    /// <summary>The loss, averaged over all <see cref="LossTerms"/>; waits for the device.</summary>
    /// <exception cref="InvalidOperationException">No targets were set.</exception>
    public double MeanLoss()
    {
        SumLosses();
        return ReadMeanLoss();
    }

    /// <summary>Rows of the output whose largest element stands at the label; waits for the device.</summary>
    /// <exception cref="InvalidOperationException">The targets are not labels.</exception>
    public long CorrectCount() => _loss.CountCorrect();

    /// <summary>Computes the gradients of the mean-reduced loss into <see cref="Parameters"/>.</summary>
    /// <param name="sink">Takes output gradients on the way (empirical Fisher), to be scaled by <see cref="LossTerms"/>, and an
    /// <see cref="ITrainingSink"/> the rows that make each weight gradient; or null.</param>
    /// <param name="mayTakeRows">Whether the sink may take rows in place of weight gradients, which then are not computed: whoever wants
    /// to read or change any before the optimizer's step asks for <see cref="ITrainingSink.FormGradients"/>.</param>
    public void Backward(ICaptureSink? sink = null, bool mayTakeRows = false)
    {
        _loss.RequireTargets();
        var training = sink as ITrainingSink;
        training?.BeginPass(mayTakeRows);
        MatrixView<float> seed = _tape.NewSeeds(Output, 1);
        _loss.WriteGradient(1f / LossTerms, seed);
        _tape.Backward(Output, seed, new BackwardOptions(WeightGradients: true, sink, Scale: LossTerms));
        foreach (Parameter parameter in _parameters)
        {
            parameter.ZeroUnlessWritten(_stream, _tape.LastPass);
        }

        training?.EndPass(Parameters);
    }

    /// <inheritdoc/>
    public void CaptureInputs(ICaptureSink sink)
    {
        _ = Output;
        _tape.CaptureInputs(sink);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">No targets were set; forward-only curvature needs none.</exception>
    public void CaptureOutputGradients(CurvatureKind kind, int samples, DeviceKey key, ICaptureSink sink)
    {
        ArgumentNullException.ThrowIfNull(sink);
        if (kind != CurvatureKind.ForwardOnly)
        {
            CurvaturePasses.Run(_tape, _loss, Output, kind, samples, key, SeedMemory, sink);
        }
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Vector("parameters", Parameters.Values);
        foreach (StateVector state in _layerState)
        {
            visitor.Vector(state.Name, state.Values);
        }
    }

    /// <summary>Writes parameters and layers' state to a safetensors file, with PyTorch's names and shapes of layers: <c>layer.weight</c>
    /// [P_out, P_in] or [C_out, C, k_h, k_w], <c>layer.bias</c> [P_out], <c>norm.weight</c>, <c>norm.running_mean</c>, other parameters under
    /// their own names. The file is replaced as a whole.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public void SaveParameters(string path) => new ParameterFile(_stream, Parameters, _parameters, _layerState).Save(path);

    /// <summary>Reads what <see cref="SaveParameters"/> writes, or PyTorch with the same names, or GPT-2's and ViT's weights as Hugging Face,
    /// nanoGPT and timm lay them out; nothing is changed unless all of it fits.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is malformed or truncated, or a tensor is missing, too many, of another shape or not finite.</exception>
    public void LoadParameters(string path) => new ParameterFile(_stream, Parameters, _parameters, _layerState).Load(path);

    /// <summary>Gives back parameters and working memory.</summary>
    public void Dispose()
    {
        _tape.Dispose();
        _persistent.Dispose();
    }

    /// <summary>Adds the losses of the terms, for <see cref="ReadMeanLoss"/>.</summary>
    internal void SumLosses() => _loss.SumLosses();

    /// <summary>The mean of the losses that were added last; waits for the device.</summary>
    internal double ReadMeanLoss() => _loss.ReadSum() / LossTerms;

    private void Restart()
    {
        _output = null;
        _loss.Clear();
        _tape.Reset();
    }

    private Variable Run(Variable input)
    {
        Variable output = _root.Forward(_tape, input);
        _output = output;
        return output;
    }
}
